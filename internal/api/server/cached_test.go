package server_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// fetched is an answer as a client sees it.
type fetched struct {
	status int
	header http.Header
	body   string
}

// fetch sends a request with headers, name and value in turns.
func fetch(t testing.TB, env *apitest.Env, method, path string, headers ...string) fetched {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, env.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fetched{res.StatusCode, res.Header, string(body)}
}

// shop is a farm with one product.
func shop(t testing.TB, env *apitest.Env, handle string) (*client.Client, client.FarmId, client.ProductId) {
	t.Helper()
	_, c := env.Signup(handle)
	farm := farmOf(t, c, "Farm of "+handle)
	return c, farm, offer(t, c, farm, "Leeks", 100, 5).ID
}

func rename(t testing.TB, c *client.Client, id client.ProductId, name string) {
	t.Helper()
	if _, err := c.UpdateProduct(context.WithoutCancel(t.Context()), &client.UpdateProductRequest{Name: client.NewOptString(name)}, client.UpdateProductParams{ID: id}); err != nil {
		t.Fatal(err)
	}
}

// soon asks until an answer holds; it is told what came last otherwise.
func soon(t testing.TB, what string, holds func() (bool, string)) {
	t.Helper()
	for start := time.Now(); ; {
		ok, last := holds()
		if ok {
			return
		}
		if time.Since(start) > patience {
			t.Fatalf("%s: not after %s: %s", what, time.Since(start), last)
		}
		time.Sleep(time.Millisecond)
	}
}

// settled waits until every server has read what was changed so far.
func settled(t testing.TB, env *apitest.Env) {
	t.Helper()
	soon(t, "everything is read", func() (read bool, _ string) {
		err := env.Pool.QueryRow(t.Context(), "select bool_and(pg_visible_in_snapshot(b.xid, r.applied)) from cache_busts b, replicas r").Scan(&read)
		return read && err == nil, fmt.Sprint(err)
	})
}

// One server answers no request from before a write that it has acknowledged; another learns of it soon.
func TestWritesReachEveryReplica(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	here, there := apitest.On(t, url), apitest.On(t, url)
	c, farm, id := shop(t, here, "ana")
	paths := []string{"/api/v1/products/" + string(id), "/api/v1/products", "/api/v1/products?farm=" + string(farm), "/api/v1/products?q=leeks"}
	for i := range 20 {
		name := fmt.Sprintf("Leeks %d", i)
		rename(t, c, id, name)
		for _, p := range paths {
			if a := fetch(t, here, "GET", p); !strings.Contains(a.body, name+`"`) {
				t.Fatalf("%s is older than the write: %s", p, a.body)
			}
		}
		for _, p := range paths {
			soon(t, p+" on the other server", func() (bool, string) {
				a := fetch(t, there, "GET", p)
				return strings.Contains(a.body, name+`"`), a.body
			})
		}
	}
	soon(t, "an answer that is kept", func() (bool, string) {
		a := fetch(t, there, "GET", paths[0])
		return metric(t, there, `cache_requests_total{cache="getProduct",result="hit"}`) != "0", a.body
	})
}

// rechecksNone keeps the background out of what a test counts.
func rechecksNone(o *server.Options) { o.CacheRecheckOne = 1 << 31 }

// Who has the answer already is told so, and nothing else; HEAD says what GET says. Without a cache it is all the same.
func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	for what, opts := range map[string][]apitest.Option{"kept": nil, "uncached": {uncached}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			env := apitest.New(t, opts...)
			ana, _ := env.Signup("zoe")
			c, farm, id := shop(t, env, "ana")
			product := "/api/v1/products/" + string(id)
			for _, path := range []string{product, "/api/v1/products?limit=1", "/api/v1/farms/" + string(farm), "/api/v1/users/" + string(ana.User.ID)} {
				full := fetch(t, env, "GET", path)
				etag := full.header.Get("ETag")
				if full.status != 200 || len(etag) < 20 || full.header.Get("Cache-Control") != "public, no-cache" || full.header.Get("Vary") == "" {
					t.Fatalf("%s: %d %v", path, full.status, full.header)
				}
				for _, line := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
					same := fetch(t, env, "GET", path, "If-None-Match", line)
					if same.status != 304 || same.body != "" || same.header.Get("ETag") != etag || same.header.Get("Cache-Control") != "public, no-cache" ||
						same.header.Get("Vary") != full.header.Get("Vary") || same.header.Get("Content-Type") != "" || same.header.Get("Content-Length") != "" {
						t.Errorf("%s with %s: %d %v %q", path, line, same.status, same.header, same.body)
					}
				}
				if a := fetch(t, env, "GET", path, "If-None-Match", `"x"`); a.status != 200 || a.body != full.body {
					t.Errorf("%s, changed: %d", path, a.status)
				}
				head := fetch(t, env, "HEAD", path)
				if head.status != 200 || head.body != "" || head.header.Get("ETag") != etag || head.header.Get("Content-Length") != fmt.Sprint(len(full.body)) {
					t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
				}
			}
			old := fetch(t, env, "GET", product).header.Get("ETag")
			rename(t, c, id, "Beets")
			if a := fetch(t, env, "GET", product, "If-None-Match", old); a.status != 200 || a.header.Get("ETag") == old {
				t.Errorf("after a change: %d %v", a.status, a.header)
			}
			if a := fetch(t, env, "GET", "/api/v1/users/"+string(ana.User.ID), "Authorization", "Bearer "+ana.AccessToken); a.header.Get("ETag") != "" ||
				a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("a profile for somebody: %v", a.header)
			}
		})
	}
}

// What is not there is kept too, until it is, and each answer names the request that it answers.
func TestAbsentIsKept(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, rechecksNone)
	c, _, id := shop(t, env, "ana")
	if err := c.ArchiveProduct(t.Context(), client.ArchiveProductParams{ID: id}); err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/products/" + string(id)
	first, second := fetch(t, env, "GET", path), fetch(t, env, "GET", path)
	if first.status != 404 || second.status != 404 || first.body == second.body || second.header.Get("ETag") != "" || second.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s, %d %s %v", first.status, first.body, second.status, second.body, second.header)
	}
	if n := metric(t, env, `cache_requests_total{cache="getProduct",result="negative"}`); n != "1" {
		t.Errorf("%s answers came from what is kept", n)
	}
	if _, err := env.Pool.Exec(t.Context(), "update products set archived_at = null"); err != nil {
		t.Fatal(err)
	}
	soon(t, "the product is back", func() (bool, string) {
		a := fetch(t, env, "GET", path)
		return a.status == 200, a.body
	})
	before := metric(t, env, `cache_requests_total{cache="getProduct",result="negative"}`)
	for range 2 { // an id that hides nothing of ours is not worth our memory
		fetch(t, env, "GET", "/api/v1/products/prod_zzzzzzzzzzz")
	}
	if n := metric(t, env, `cache_requests_total{cache="getProduct",result="negative"}`); n != before {
		t.Errorf("%s answers came from what is kept, and %s before", n, before)
	}
}

// 500 ask at once for what is not there, and one query is made.
func TestStampede(t *testing.T) {
	t.Parallel()
	var log queryLog
	env := apitest.New(t, rechecksNone, log.on(t))
	shop(t, env, "ana")
	settled(t, env) // or the change comes in between, and makes a second query right
	log.take()
	transport := &http.Transport{MaxIdleConnsPerHost: 500}
	defer transport.CloseIdleConnections()
	quick := &http.Client{Transport: transport}
	ready, all := make(chan struct{}), sync.WaitGroup{}
	var fine atomic.Int64
	for range 500 {
		all.Go(func() {
			<-ready
			res, err := quick.Get(env.URL + "/api/v1/products?category=fruit")
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				fine.Add(1)
			}
		})
	}
	close(ready)
	all.Wait()
	queries := 0
	for _, q := range log.take() {
		if strings.HasPrefix(q.SQL, "-- name: ListProducts") {
			queries++
		}
	}
	if fine.Load() != 500 || queries != 1 {
		t.Errorf("%d of 500 were answered, by %d queries", fine.Load(), queries)
	}
}

// A transaction that wrote its bust long before it commits, and before others that came after it, is not missed.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	_, _, late := shop(t, env, "ana")
	shop(t, env, "ben")
	tx, err := env.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if _, err := tx.Exec(t.Context(), "update products set description = 'late' where id = (select min(id) from products)"); err != nil {
		t.Fatal(err)
	}
	for i := range 5 { // of the other farm: they commit before, with higher numbers
		if _, err := env.Pool.Exec(t.Context(), "update products set description = $1 where id = (select max(id) from products)", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	path := "/api/v1/products/" + string(late)
	soon(t, "an answer that is kept", func() (bool, string) {
		a := fetch(t, env, "GET", path)
		return metric(t, env, `cache_requests_total{cache="getProduct",result="hit"}`) != "0", a.body
	})
	if a := fetch(t, env, "GET", path); strings.Contains(a.body, "late") {
		t.Error("it is seen before it is committed")
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	soon(t, "the late one", func() (bool, string) {
		a := fetch(t, env, "GET", path)
		return strings.Contains(a.body, `"late"`), a.body
	})
	if n := metric(t, env, `cache_evictions_total{cause="expired"}`); n != "0" {
		t.Errorf("%s answers were dropped because they were old", n)
	}
}

// A server that busts no longer reach uses nothing that it kept; when they do again, it begins anew.
func TestCutFeed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	url := pgtest.New(t, apitest.Template(t))
	healthy, cutOff := apitest.On(t, url), apitest.On(t, url, w.through, rechecksNone)
	c, _, id := shop(t, healthy, "ana")
	path := "/api/v1/products/" + string(id)
	soon(t, "an answer that is kept", func() (bool, string) {
		a := fetch(t, cutOff, "GET", path)
		return metric(t, cutOff, `cache_requests_total{cache="getProduct",result="hit"}`) != "0", a.body
	})
	w.cut.Store(true)
	start := time.Now()
	rename(t, c, id, "Beets")
	soon(t, "the change, on the server that is cut off", func() (bool, string) {
		a := fetch(t, cutOff, "GET", path)
		return strings.Contains(a.body, "Beets"), a.body
	})
	t.Logf("cut off, it stops using what it kept after %s at most", time.Since(start))
	if metric(t, cutOff, `cache_requests_total{cache="getProduct",result="bypass"}`) == "0" {
		t.Error("it was not bypassed")
	}
	soon(t, "everything is dropped", func() (bool, string) {
		n := metric(t, cutOff, `cache_evictions_total{cause="cut"}`)
		return n != "0", n
	})
	rename(t, c, id, "Chard")
	if a := fetch(t, cutOff, "GET", path); !strings.Contains(a.body, "Chard") {
		t.Errorf("while it is cut off: %s", a.body)
	}
	w.cut.Store(false)
	before := metric(t, cutOff, `cache_requests_total{cache="getProduct",result="hit"}`)
	soon(t, "the cache is used again", func() (bool, string) {
		a := fetch(t, cutOff, "GET", path)
		return metric(t, cutOff, `cache_requests_total{cache="getProduct",result="hit"}`) != before, a.body
	})
	if a := fetch(t, cutOff, "GET", path); !strings.Contains(a.body, "Chard") {
		t.Errorf("afterwards: %s", a.body)
	}
}

// Two servers serve and write while connections and one of the servers are killed: nobody sees a kept answer that the database
// does not explain (each Env fails its test on a divergence, and every hit is a candidate), and in the end all say the same.
func TestChaosWithoutDivergence(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	here, there := apitest.On(t, url), apitest.On(t, url)
	_, farm, id := shop(t, here, "ana")
	shop(t, here, "ben")
	paths := []string{"/api/v1/products/" + string(id), "/api/v1/products", "/api/v1/products?farm=" + string(farm), "/api/v1/products?inStock=true&category=fruit"}
	end, all := make(chan struct{}), sync.WaitGroup{}
	during := func(f func()) {
		all.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
					f()
				}
			}
		})
	}
	quick := &http.Client{}
	for _, env := range []*apitest.Env{here, there} {
		during(func() {
			res, err := quick.Get(env.URL + paths[rand.IntN(len(paths))])
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		})
	}
	during(func() { // past the API, and some of it undone
		tx, err := there.Pool.Begin(t.Context())
		if err != nil {
			return
		}
		_, _ = tx.Exec(t.Context(), "update products set available = available + $1, price = price + $2 where id = (select min(id) from products)", rand.IntN(3), rand.IntN(2))
		if rand.IntN(4) == 0 {
			_ = tx.Rollback(t.Context())
			return
		}
		_ = tx.Commit(t.Context())
	})
	for i := range 10 {
		time.Sleep(600 * time.Millisecond) // long enough to keep something, and short of what the next cut drops
		_, _ = here.Pool.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid() and ($1 or application_name = 'platctl revocations')`, i%2 == 0)
		if i%4 == 3 {
			there.Server.Stop()
			there.Server.Start(t.Context())
		}
	}
	close(end)
	all.Wait()
	plain := apitest.On(t, url, uncached)
	for _, p := range paths {
		want := fetch(t, plain, "GET", p).body
		for _, env := range []*apitest.Env{here, there} {
			soon(t, p, func() (bool, string) {
				a := fetch(t, env, "GET", p)
				return a.body == want, a.body + " instead of " + want
			})
		}
	}
	for _, env := range []*apitest.Env{here, there} {
		t.Logf("rechecks: %s same, %s overtaken, %s unknown; %s dropped by busts, %s by cuts", metric(t, env, `cache_rechecks_total{result="same"}`),
			metric(t, env, `cache_rechecks_total{result="overtaken"}`), metric(t, env, `cache_rechecks_total{result="unknown"}`),
			metric(t, env, `cache_evictions_total{cause="busted"}`), metric(t, env, `cache_evictions_total{cause="cut"}`))
		if metric(t, env, "cache_divergence_total") != "0" || metric(t, env, `cache_rechecks_total{result="same"}`) == "0" {
			t.Errorf("divergences: %s", metric(t, env, "cache_divergence_total"))
		}
	}
}
