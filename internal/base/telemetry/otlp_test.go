package telemetry_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/platctl/platctl/internal/base/breaker"
	"github.com/platctl/platctl/internal/base/build"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/base/telemetry"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// sink is an OTLP collector that keeps what it is sent.
type sink struct {
	mu    sync.Mutex
	spans []*otlp.Span
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var req collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			s.spans = append(s.spans, ss.Spans...)
		}
	}
}

// A request and its query are two spans of one trace, the one the caller began; the query's parameters are not recorded.
func TestSpansReachACollector(t *testing.T) {
	s := &sink{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	traces, err := telemetry.Tracing(t.Context(), os.LookupEnv, build.Info{Version: "1"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pg.Open(t.Context(), pgtest.Empty(t), pg.Options{Tracer: traces.Queries()})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	r := httptest.NewRequest(http.MethodGet, "/api/v1/feed?cursor=x", nil)
	r.Header.Set("Traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	ctx, end := traces.Tracer.Request(r, "listFeed")
	if got := telemetry.TraceID(ctx); got != id {
		t.Errorf("trace id %s, want %s", got, id)
	}
	if _, err := pool.Exec(ctx, "select $1::text", "a secret"); err != nil {
		t.Fatal(err)
	}
	end(http.StatusInternalServerError)
	if err := traces.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var request, query *otlp.Span
	for _, sp := range s.spans {
		if string(sp.Name) == "GET listFeed" {
			request = sp
		}
		if strings.HasPrefix(sp.Name, "select") || strings.HasPrefix(sp.Name, "SELECT") {
			query = sp
		}
		if strings.Contains(sp.String(), "a secret") {
			t.Errorf("a parameter is in span %s", sp.Name)
		}
	}
	if request == nil || query == nil {
		t.Fatalf("spans: %v", s.spans)
	}
	if string(query.TraceId) != string(request.TraceId) || string(query.ParentSpanId) != string(request.SpanId) {
		t.Errorf("the query's span is not the child of the request's")
	}
	if request.Status.Code != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("a 500 has status %v", request.Status)
	}
}

// A collector that refuses is left alone after three batches, which the log says in one structured line; a shutdown then waits for nobody.
func TestCollectorAway(t *testing.T) {
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "no", http.StatusBadRequest) // the one class of answers that the exporter doesn't try again itself
	}))
	defer srv.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	var buf lockedBuffer
	traces, err := telemetry.Tracing(t.Context(), os.LookupEnv, build.Info{}, slog.New(slog.NewJSONHandler(&buf, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); traces.Collector.State() != breaker.Open; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("state %v after %d batches", traces.Collector.State(), asked.Load())
		}
		_, end := traces.Tracer.Request(httptest.NewRequest(http.MethodGet, "/", nil), "x")
		end(200)
	}
	_, end := traces.Tracer.Request(httptest.NewRequest(http.MethodGet, "/", nil), "x")
	end(200)
	if err := traces.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if asked.Load() != 3 {
		t.Errorf("the collector was asked %d times, want 3", asked.Load())
	}
	if n := strings.Count(buf.String(), "outside service is failing"); n != 1 {
		t.Errorf("%d lines tell that it fails: %s", n, buf.String())
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Off is off: nothing is made, and every request still has a trace id of its own.
func TestTracingOff(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]string{
		"no endpoint": {}, "disabled": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
		"no exporter": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
	} {
		lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
		traces, err := telemetry.Tracing(t.Context(), lookup, build.Info{}, slog.New(slog.DiscardHandler))
		if err != nil || traces.Queries() != nil {
			t.Errorf("%s: %v, queries traced: %v", name, err, traces.Queries() != nil)
		}
		seen := map[string]bool{}
		for range 3 {
			ctx, end := traces.Tracer.Request(httptest.NewRequest(http.MethodGet, "/", nil), "x")
			seen[telemetry.TraceID(ctx)] = true
			end(200)
		}
		if len(seen) != 3 || seen[strings.Repeat("0", 32)] {
			t.Errorf("%s: trace ids %v", name, seen)
		}
	}
}
