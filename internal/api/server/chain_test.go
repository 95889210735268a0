package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/fault"
)

// The headers that protect browsers stand on every answer, whoever gives it; no answer of the API is kept by a cache.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	for _, path := range []string{"/api/v1/products", "/api/v1/me", "/api/none", "/api/docs/", "/api/v1/products?x=%zz", "/api/health"} {
		res := through(t, env, http.MethodGet, path, "https")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-site",
			"Permissions-Policy": "camera=(), microphone=(), geolocation=()", "Vary": "Authorization", "Server": "",
			"Strict-Transport-Security": "max-age=63072000; includeSubDomains",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		keep := "no-store"
		if path == "/api/v1/products" {
			keep = "public, no-cache"
		}
		if got := res.Header.Get("Cache-Control"); got != keep && path != "/api/docs/" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
	if got := through(t, env, http.MethodGet, "/api/health", "http").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("over plain HTTP: Strict-Transport-Security %q", got)
	}
}

// through asks as a proxy that was asked over proto would, and returns the answer without its body.
func through(t *testing.T, env *apitest.Env, method, path, proto string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, env.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-Proto", proto)
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

// HEAD is GET without the body: the same status and headers, and no 405.
func TestHead(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	for _, path := range []string{"/api/health", "/api/v1/products", "/api/v1/me", "/api/none", "/api/docs/"} {
		want := through(t, env, http.MethodGet, path, "http")
		res, err := http.Head(env.URL + path) // the spec knows no HEAD, so the validating client does not either
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		for _, h := range []http.Header{want.Header, res.Header} {
			h.Del("X-Trace-Id")
			h.Del("Date")
			h.Del("Content-Length") // net/http counts short bodies for GET only
		}
		if err != nil || len(body) != 0 || res.StatusCode != want.StatusCode || !reflect.DeepEqual(res.Header, want.Header) {
			t.Errorf("%s: HEAD %d %v with %d bytes, %v; GET %d %v", path, res.StatusCode, res.Header, len(body), err, want.StatusCode, want.Header)
		}
	}
}

// A panic is a 500 with a trace id whose log line has the stack; the client sees neither the value nor the stack.
func TestPanic(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, func(o *server.Options) {
		o.SchemaVersion = func(context.Context) (int64, error) { panic("a secret value") }
	})
	code, body := get(t, env, "/api/ready")
	if code != http.StatusInternalServerError || strings.Contains(body, "secret") {
		t.Errorf("%d %s", code, body)
	}
	if log := string(env.Log()); !strings.Contains(log, "a secret value") || !strings.Contains(log, "chain_test.go") {
		t.Errorf("the log has no stack: %s", log)
	}
	if code, _ := get(t, env, "/api/health"); code != http.StatusOK {
		t.Errorf("health after a panic: %d", code)
	}
}

// A request that can't get a connection is given up within its budget instead of waiting for ever.
func TestBudgetCoversTheWaitForAConnection(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Hurried)
	for range env.Pool.Config().MaxConns {
		c, err := env.Pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
	}
	code, body := get(t, env, "/api/v1/products")
	if code != http.StatusGatewayTimeout || !strings.Contains(body, `"code":"timeout"`) {
		t.Errorf("%d %s", code, body)
	}
}

// Probes come every second for ever: they are counted, and logged only at debug.
func TestProbesAreNotLogged(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	get(t, env, "/api/health")
	get(t, env, "/api/ready")
	get(t, env, "/api/v1/products")
	if log := string(env.Log()); strings.Count(log, `"msg":"request"`) != 1 || !strings.Contains(log, "listProducts") {
		t.Errorf("log: %s", log)
	}
}

// A request that outlives the grace is cut off, and the error says how many there were.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	env := apitest.New(t, func(o *server.Options) {
		o.DrainDelay, o.ShutdownGrace = 0, 50*time.Millisecond
		o.SchemaVersion = func(context.Context) (int64, error) {
			close(began)
			<-release
			return 1, nil
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- env.Server.Run(ctx, l) }()
	lost := make(chan error, 1)
	go func() {
		_, err := http.Get("http://" + l.Addr().String() + "/api/ready")
		lost <- err
	}()
	<-began
	stop()
	if err := <-ended; !errors.Is(err, fault.Failed) || !strings.Contains(err.Error(), "1 requests on 1 busy connections were cut off") {
		t.Errorf("Run returned %v", err)
	}
	if <-lost == nil {
		t.Error("the client has an answer")
	}
	close(release)
}

// Somebody's lock is waited for as long as the pool's lock_timeout says, and then it is a timeout, not a bug of ours.
func TestLockedTable(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	tx, err := env.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if _, err := tx.Exec(t.Context(), "lock table products in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	if code, body := get(t, env, "/api/v1/products"); code != http.StatusGatewayTimeout || !strings.Contains(body, `"code":"timeout"`) {
		t.Errorf("%d %s", code, body)
	}
}
