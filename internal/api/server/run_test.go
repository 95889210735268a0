package server_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/pg"
)

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Stopping under load loses nothing: clients that keep connections and clients that open one for each request go on until
// the server says that it is not ready, as whoever routes to it would.
func TestDrainLosesNothing(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, func(o *server.Options) { o.DrainDelay = 2 * time.Second })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- env.Server.Run(ctx, l) }()
	base := "http://" + l.Addr().String()

	var answered atomic.Int64
	warm := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: 20 * time.Second}
			for status(t, c, base+"/api/ready") == http.StatusOK {
				if got := status(t, c, base+"/api/v1/products"); got != http.StatusOK {
					t.Errorf("answered %d", got)
				}
				if answered.Add(1) == 200 {
					close(warm)
				}
			}
		})
	}
	<-warm
	stop()
	wg.Wait()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d answered", answered.Load())
}

// status returns the status of a GET, 0 when the request was lost.
func status(t *testing.T, c *http.Client, url string) int {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Errorf("lost a request: %v", err)
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Errorf("lost half an answer: %v", err)
	}
	return res.StatusCode
}

// While draining every answer asks for a new connection elsewhere; before, none does.
func TestDrainAsksToLeave(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, func(o *server.Options) { o.DrainDelay = 2 * time.Second })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- env.Server.Run(ctx, l) }()
	for ; ; stop() {
		res, err := http.Get("http://" + l.Addr().String() + "/api/ready")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.Close != (res.StatusCode == http.StatusServiceUnavailable) {
			t.Errorf("status %d, Connection: close %v", res.StatusCode, res.Close)
		}
		if res.Close {
			break
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, env *apitest.Env, path string) (int, string) {
	t.Helper()
	res, err := env.HTTP.Get(env.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// do sends a request and returns the answer with its body.
func do(t testing.TB, env *apitest.Env, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// With the database gone the API answers 503 with Retry-After, stays healthy and is not ready.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	closeDatabase(t, env)
	res, err := env.HTTP.Get(env.URL + "/api/v1/products")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("products: %d, Retry-After %q\n%s", res.StatusCode, res.Header.Get("Retry-After"), env.Log())
	}
	if log := string(env.Log()); !strings.Contains(log, `"code":"database_unavailable"`) || !strings.Contains(log, "right now: list products: ") {
		t.Errorf("the log does not say why: %s", log)
	}
	if code, _ := get(t, env, "/api/ready"); code != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", code)
	}
	if code, _ := get(t, env, "/api/health"); code != http.StatusOK {
		t.Errorf("health: %d", code)
	}
}

// closeDatabase makes the server refuse connections to the database of env, as it does while it shuts down.
func closeDatabase(t *testing.T, env *apitest.Env) {
	t.Helper()
	name := env.Pool.Config().ConnConfig.Database
	u, err := url.Parse(env.Pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/postgres"
	admin, err := pg.Connect(t.Context(), u.String(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	for _, sql := range []string{
		`alter database "` + name + `" allow_connections false`,
		`select pg_terminate_backend(pid) from pg_stat_activity where datname = '` + name + `'`,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// A trace begun by the caller is the trace of the answer and of every log line.
func TestTraceIds(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env.URL+"/api/v1/products", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.Header.Get("X-Trace-Id") != id {
		t.Errorf("X-Trace-Id %s, want %s", res.Header.Get("X-Trace-Id"), id)
	}
	var line struct {
		TraceID string `json:"trace_id"`
		Route   string
		Status  int
	}
	if err := json.Unmarshal(env.Log(), &line); err != nil || line.TraceID != id || line.Route != "listProducts" || line.Status != 200 {
		t.Errorf("log %s: %+v, %v", env.Log(), line, err)
	}
}

// metrics returns what the admin listener shows.
func metrics(t testing.TB, env *apitest.Env) string {
	t.Helper()
	rec := httptest.NewRecorder()
	env.Server.Admin().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	get(t, env, "/api/v1/products")
	get(t, env, "/api/v1/made-up-"+strings.Repeat("x", 50))
	text := metrics(t, env)
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="listProducts"} 1`,
		`http_response_status_code="404",http_route="none"`, "db_client_connections_max 6", "auth_signing_keys_unreadable 0", "auth_signing_key_age_seconds NaN", "process_resident_memory_bytes", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(text, "made-up") {
		t.Error("a client's path became a label")
	}
}

// docs/observability.md tells what each metric of ours means.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z_]+)(?:\\{([a-z_,]+)\\}([a-z_]*))?`").FindAllStringSubmatch(string(page), -1) {
		for _, part := range strings.Split(m[2], ",") {
			told[m[1]+part+m[3]] = true
		}
	}
	env := apitest.New(t)
	get(t, env, "/api/health")
	ours := 0
	for _, m := range regexp.MustCompile("(?m)^# HELP ([a-z_]+) ").FindAllStringSubmatch(metrics(t, env), -1) {
		if strings.HasPrefix(m[1], "go_") || strings.HasPrefix(m[1], "process_") {
			continue
		}
		if ours++; !told[m[1]] {
			t.Errorf("docs/observability.md does not say what %s tells", m[1])
		}
	}
	if ours == 0 {
		t.Error("no metric was found: the reader is broken")
	}
}

// A rehearsal's fault hits the API and leaves health and readiness alone: a bad release that looks healthy.
func TestInjectedFault(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, func(o *server.Options) { o.Debug = config.Debug{FaultStatus: 500} })
	if code, body := get(t, env, "/api/v1/products"); code != http.StatusInternalServerError || !strings.Contains(body, "injected_fault") {
		t.Errorf("products: %d %s", code, body)
	}
	if code, _ := get(t, env, "/api/ready"); code != http.StatusOK {
		t.Errorf("ready: %d", code)
	}
}

// The portal needs no network and no inline script.
func TestPortal(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	res, err := env.HTTP.Get(env.URL + "/api/docs")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'self'") {
		t.Fatalf("%d %v %v", res.StatusCode, res.Header, err)
	}
	for _, file := range []string{"portal.js", "swagger-ui.css", "swagger-ui-bundle.js"} {
		if !strings.Contains(string(page), `"`+file+`"`) {
			t.Errorf("the page does not load %s", file)
		}
		if code, body := get(t, env, "/api/docs/"+file); code != http.StatusOK || len(body) < 100 {
			t.Errorf("%s: %d, %d bytes", file, code, len(body))
		}
	}
	if strings.Contains(string(page), "://") {
		t.Error("the page names another host")
	}
	if code, spec := get(t, env, "/api/openapi.yaml"); code != http.StatusOK || !strings.HasPrefix(spec, "openapi: 3.1.0") {
		t.Errorf("spec: %d %.60s", code, spec)
	}
}
