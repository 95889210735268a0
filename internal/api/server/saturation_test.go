package server_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg"
)

// lockTable holds an exclusive lock on a table until the returned function is called.
func lockTable(t *testing.T, env *apitest.Env, table string) (unlock func()) {
	t.Helper()
	tx, err := env.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table "+table+" in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// waitingForLocks gives the server a pool of 6 whose statements wait for a lock as long as their request may take.
func waitingForLocks(t *testing.T) apitest.Option {
	return func(o *server.Options) {
		pool, err := pg.Open(t.Context(), o.Pool.Config().ConnString(), pg.Options{MaxConns: 6, LockTimeout: -1, StatementTimeout: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		o.Pool = pool
	}
}

// uncached keeps no answers.
func uncached(o *server.Options) { o.CacheBytes = 0 }

// At the limit the server turns requests away at once, with Retry-After, and goes on answering what needs no slot.
func TestSaturation(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Hurried, waitingForLocks(t), uncached) // with a cache they all wait for one query
	unlock := lockTable(t, env, "products")
	const clients = 60 // 12 slots and 24 places in the queue for a pool of 6
	codes := make(chan int, clients)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			res, err := env.HTTP.Get(env.URL + "/api/v1/products")
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			codes <- res.StatusCode
		})
	}
	for range clients - 12 - 24 {
		if got := <-codes; got != http.StatusServiceUnavailable {
			t.Errorf("an answer while the table is locked is %d, want 503", got)
		}
	}
	if code, body := get(t, env, "/api/health"); code != http.StatusOK {
		t.Errorf("health at the limit: %d %s", code, body)
	}
	unlock()
	wg.Wait()
	close(codes)
	count := map[int]int{}
	for c := range codes {
		count[c]++
	}
	if count[http.StatusOK] < 12 || count[http.StatusOK]+count[http.StatusServiceUnavailable] != 12+24 {
		t.Errorf("answers to those who were let in or waited: %v; want 200 for 12 at least, and 503", count)
	}
	if code, body := get(t, env, "/api/v1/products"); code != http.StatusOK {
		t.Errorf("afterwards: %d %s", code, body)
	}
}

// While one password is hashed and one waits, a login is turned away with Retry-After, and nobody else notices.
func TestHashingIsFull(t *testing.T) {
	t.Parallel()
	hasher := account.NewHasher(1, 1, 20*time.Second)
	env := apitest.New(t, func(o *server.Options) { o.Hasher = hasher })
	_, ana := env.Signup("ana")
	const costly = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg" // the real cost; logins here are cheap
	free := make(chan struct{})
	var hashing sync.WaitGroup
	for range 2 {
		hashing.Go(func() {
			for {
				select {
				case <-free:
					return
				default:
					_, _ = hasher.Verify(t.Context(), costly, "x") // refused while the login below has the place
				}
			}
		})
	}
	var err error
	for end := time.Now().Add(30 * time.Second); err == nil; {
		_, err = env.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: password})
		if time.Now().After(end) {
			t.Fatal("logins are never turned away")
		}
	}
	wantProblem(t, err, http.StatusServiceUnavailable, "hashing_saturated")
	if _, err := ana.GetMe(t.Context()); err != nil {
		t.Errorf("somebody who is logged in: %v", err)
	}
	close(free)
	hashing.Wait()
	login(t, env, "ana", password)
}

// A query ends on the server with its request: when the client leaves, and when the budget is used up. One whose answer may be
// kept ends with its budget alone.
func TestNoQueryOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Hurried, waitingForLocks(t), uncached)
	defer lockTable(t, env, "products")()
	stays := make(chan int, 1)
	go func() {
		code, _ := get(t, env, "/api/v1/products")
		stays <- code
	}()
	waitForLocks(t, env, 1)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, env.URL+"/api/v1/products", nil)
		if err == nil {
			_, err = env.HTTP.Transport.RoundTrip(req)
		}
		left <- err
	}()
	waitForLocks(t, env, 2)
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the request that was left: %v", err)
	}
	waitForLocks(t, env, 1)
	if code := <-stays; code != http.StatusGatewayTimeout {
		t.Errorf("the request that stayed was answered %d", code)
	}
	waitForLocks(t, env, 0)
	var errorLines int
	for line := range bytes.Lines(env.Log()) {
		if bytes.Contains(line, []byte(`"level":"ERROR"`)) {
			errorLines++
		}
	}
	if errorLines != 1 {
		t.Errorf("%d errors in the log, want one, for the timeout: %s", errorLines, env.Log())
	}
}

// waitForLocks returns when n queries wait for a lock on the server.
func waitForLocks(t *testing.T, env *apitest.Env, n int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		var waiting int
		err := env.Pool.QueryRow(t.Context(), `select count(*) from pg_locks l join pg_stat_activity a using (pid)
			where not l.granted and a.datname = current_database()`).Scan(&waiting)
		if err == nil && waiting == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d queries wait for a lock, want %d: %v", waiting, n, err)
		}
	}
}

// A shutdown that has to cut requests off says which, with age and trace id.
func TestHammerNamesWhatItCutsOff(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, func(o *server.Options) { o.DrainDelay, o.ShutdownGrace = 0, 100*time.Millisecond })
	defer lockTable(t, env, "products")()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- env.Server.Run(ctx, l) }()
	go func() {
		if res, err := http.Get("http://" + l.Addr().String() + "/api/v1/products"); err == nil {
			_ = res.Body.Close()
		}
	}()
	waitForLocks(t, env, 1)
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "1 requests on 1 busy connections were cut off") {
		t.Errorf("Run ended with %v", err)
	}
	if log := string(env.Log()); !strings.Contains(log, `"msg":"cut off","route":"listProducts"`) {
		t.Errorf("the log does not name the request: %s", log)
	}
}

// Exactly the listed origins are answered, never a reflection, a wildcard or null; a preflight needs no token.
func TestCORS(t *testing.T) {
	t.Parallel()
	const listed = "https://market.example"
	env := apitest.New(t, func(o *server.Options) { o.Origins = []string{listed} })
	for origin, want := range map[string]string{
		listed: listed, "https://market.example.evil.example": "", "http://market.example": "", "https://market.example:8443": "",
		"null": "", "": "", "*": "",
	} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			req, err := http.NewRequestWithContext(t.Context(), method, env.URL+"/api/v1/me", nil)
			if err != nil {
				t.Fatal(err)
			}
			if origin != "" {
				req.Header.Set("Origin", origin)
			}
			if method == http.MethodOptions {
				req.Header.Set("Access-Control-Request-Method", "GET")
			}
			res, err := env.HTTP.Transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			for h := range res.Header {
				if strings.HasPrefix(h, "Access-Control-") && want == "" {
					t.Errorf("%s from %q is told %s", method, origin, h)
				}
			}
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %q: allowed origin %q, want %q", method, origin, got, want)
			}
			if res.Header.Get("Access-Control-Allow-Credentials") != "" || !slices.Contains(res.Header.Values("Vary"), "Origin") {
				t.Errorf("%s from %q: %v", method, origin, res.Header)
			}
			if preflight := method == http.MethodOptions && want != ""; preflight != (res.StatusCode == http.StatusNoContent) {
				t.Errorf("%s from %q: %d", method, origin, res.StatusCode)
			}
		}
	}
}
