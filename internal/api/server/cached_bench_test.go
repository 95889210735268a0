package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// asInProduction is the cache as it is configured there.
func asInProduction(o *server.Options) { o.CacheBytes, o.CacheRecheckOne = 64<<20, 0 }

// turns measures the CPU of two ways to answer, in turns in one run: this process holds client and server of both.
func turns(b *testing.B, ours, theirs func() *http.Request) {
	b.Helper()
	const per = 500
	quick := &http.Client{}
	turn := func(make func() *http.Request) time.Duration {
		start := cpu(b)
		for range per {
			res, err := quick.Do(make())
			if err != nil || res.StatusCode >= http.StatusBadRequest {
				b.Fatal(res, err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		return cpu(b) - start
	}
	turn(ours)
	turn(theirs)
	var a, z time.Duration
	n := 0
	for b.Loop() {
		a += turn(ours)
		z += turn(theirs)
		n += per
	}
	b.ReportMetric(float64(a.Nanoseconds())/1e3/float64(n), "µs-cpu/full")
	b.ReportMetric(float64(z.Nanoseconds())/1e3/float64(n), "µs-cpu/bare")
	b.ReportMetric(float64(a)/float64(z), "ratio")
	b.ReportMetric(0, "ns/op")
}

// What a kept list of 50 costs over a handler that writes the same bytes, head and body, and nothing else; and over one that
// writes the body with the least of headers. To who has it not, and to who has.
func BenchmarkKeptAgainstBareBytes(b *testing.B) {
	env := apitest.New(b, asInProduction)
	if _, err := seedDemo(b, env); err != nil {
		b.Fatal(err)
	}
	full := httptest.NewServer(env.Server.Handler())
	defer full.Close()
	const path = "/api/v1/products?limit=50"
	list := fetch(b, env, "GET", path)
	etag := list.header.Get("ETag")
	least := http.Header{"Content-Type": list.header["Content-Type"], "Etag": {etag}, "Content-Length": list.header["Content-Length"]}
	for _, known := range []string{"", etag} {
		for what, head := range map[string]http.Header{"same head": list.header, "least head": least} {
			plain := httptest.NewServer(bareBytes(head, etag, list.body))
			name := fmt.Sprintf("200 of %d bytes, %s", len(list.body), what)
			if known != "" {
				name = "304, " + what
			}
			b.Run(name, func(b *testing.B) {
				turns(b, asking(b, full.URL+path, known), asking(b, plain.URL+path, known))
			})
			plain.Close()
		}
	}
}

// bareBytes writes an answer as net/http alone does it.
func bareBytes(head http.Header, etag, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range head {
			h.Set(name, values[0])
		}
		if r.Header.Get("If-None-Match") == etag {
			h.Del("Content-Length")
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, body)
	})
}

// asking makes requests of somebody who may know an answer already.
func asking(b *testing.B, url, known string) func() *http.Request {
	return func() *http.Request {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		if known != "" {
			req.Header.Set("If-None-Match", known)
		}
		return req
	}
}

// watcher notes when each of a row of writes, the prices from 1 on, is seen on one server, and how old it was by then. A write that
// a later one has overtaken counts as seen with that.
type watcher struct {
	mu           sync.Mutex
	acknowledged []time.Time
	took         []time.Duration
}

func (w *watcher) seen(price int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.took) < min(price, len(w.acknowledged)) {
		w.took = append(w.took, max(0, time.Since(w.acknowledged[len(w.took)])))
	}
}

// write notes a write that was acknowledged.
func (w *watcher) write(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acknowledged = append(w.acknowledged, at)
}

func (w *watcher) done(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.took) >= n
}

func (w *watcher) report(b *testing.B, name string) {
	slices.Sort(w.took)
	for p, at := range map[string]int{"p50": len(w.took) / 2, "p99": len(w.took) * 99 / 100, "max": len(w.took) - 1} {
		b.ReportMetric(float64(w.took[at].Microseconds())/1e3, "ms-"+name+"-"+p)
	}
}

var priced = regexp.MustCompile(`"price":([0-9]+),`)

// priceAt is what a server says now.
func priceAt(b *testing.B, env *apitest.Env, path string) int {
	res, err := http.Get(env.URL + path)
	if err != nil {
		b.Error(err)
		return 0
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	m := priced.FindSubmatch(body)
	if m == nil {
		b.Errorf("%d %s", res.StatusCode, body)
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// How old an answer may be after a commit: writes through the API of one server, each as soon as that server shows the one before,
// while the other server is asked all the time. Local is the server that wrote, remote the other one.
func BenchmarkStaleness(b *testing.B) {
	url := pgtest.New(b, apitest.Template(b))
	here, there := apitest.On(b, url, asInProduction), apitest.On(b, url, asInProduction)
	c, _, id := shop(b, here, "ana")
	path := "/api/v1/products/" + string(id)
	var local, remote watcher
	price, ended, all := 0, make(chan struct{}), sync.WaitGroup{}
	all.Go(func() {
		for stop := false; !stop; {
			select {
			case <-ended:
				stop = true
			default:
			}
			remote.seen(priceAt(b, there, path) - 1000)
			time.Sleep(500 * time.Microsecond) // the machine is the writer's, too
		}
	})
	for b.Loop() {
		price++
		if _, err := c.UpdateProduct(b.Context(), &client.UpdateProductRequest{Price: client.NewOptInt64(int64(price) + 1000)}, client.UpdateProductParams{ID: id}); err != nil {
			b.Fatal(err)
		}
		now := time.Now() // the commit was before
		local.write(now)
		remote.write(now)
		for !local.done(price) {
			local.seen(priceAt(b, here, path) - 1000)
		}
	}
	for end := time.Now().Add(patience); !remote.done(price); {
		if time.Now().After(end) {
			b.Fatal("never seen on the other server")
		}
	}
	close(ended)
	all.Wait()
	local.report(b, "local")
	remote.report(b, "remote")
	b.ReportMetric(0, "ns/op")
	for _, env := range []*apitest.Env{here, there} {
		if n := metric(b, env, "cache_divergence_total"); n != "0" {
			b.Errorf("%s divergences", n)
		}
	}
}

// What reading busts costs when nothing happens, and how much later a commit returns when its bust notifies, as revocations do,
// with six that commit: the reason why busts are polled for.
func BenchmarkBustTransport(b *testing.B) {
	env := apitest.New(b, uncached)
	shop(b, env, "ana")
	b.Run("an idle read", func(b *testing.B) {
		conn, err := env.Pool.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Release()
		q, seen := db.New(conn), "1:1:"
		start := cpu(b)
		for b.Loop() {
			rows, err := q.UnseenChanges(b.Context(), seen)
			if err != nil {
				b.Fatal(err)
			}
			seen = rows[0].Snapshot
		}
		b.ReportMetric(float64(cpu(b)-start)/1e3/float64(b.N), "µs-cpu/here")
	})
	commits := func(b *testing.B) {
		var left atomic.Int64
		left.Store(int64(b.N))
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				for left.Add(-1) >= 0 {
					if _, err := env.Pool.Exec(b.Context(), "insert into cache_busts (tags) values (array['x'])"); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	}
	b.Run("commits that are polled for", commits)
	const notify = "create trigger wake after insert on cache_busts for each statement execute function revocations_wake()"
	if _, err := env.Pool.Exec(b.Context(), notify); err != nil {
		b.Fatal(err)
	}
	b.Run("commits that notify", commits)
}
