package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/platctl/platctl/internal/api/export"
	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// Limits on what a request may carry.
const (
	maxBody  = 64 << 10 // bytes of JSON
	maxAuth  = 4 << 10  // the same where nobody is known yet: hashing and parsing are dearest there
	maxQuery = 4 << 10  // bytes of query string
	maxDepth = 32       // nesting of JSON
)

type middleware func(http.Handler) http.Handler

// chain is every middleware, outermost first. A request travels down this list and its answer back up.
func (s *Server) chain() []middleware {
	return []middleware{
		head,            // HEAD is GET without the body
		s.trace,         // gives the request its trace id: everything below logs with it
		s.observe,       // counts, times and logs the answer, and completes its headers
		s.recover,       // turns a panic into a 500 with a trace id
		securityHeaders, // the same headers on every answer
		s.drain,         // while draining: Connection: close
		s.injectFault,   // rehearsals only; refused in production
		s.cors,          // exact origins, before anything is read or counted against a limit
		s.holdToLimits,  // each client to its limits, or 429
		s.guardQuery,    // length and escapes: the parser drops what it can't read, and a dropped cursor is page one
		s.guardBody,     // size, UTF-8, depth and doubled keys, before anything is decoded
		s.idempotent,    // a POST with a key is done once; below the body, which tells requests apart, and above the slots
		s.cached,        // what is kept costs neither a slot nor the database; a write is noted before it is acknowledged
		s.admit,         // a slot, a place in the queue, or 503; after the body, or slow senders would hold every slot
		s.deadline,      // the request's budget, which its queries share
	}
}

func wrap(h http.Handler, chain []middleware) http.Handler {
	for i := len(chain) - 1; i >= 0; i-- {
		h = chain[i](h)
	}
	return h
}

// head answers HEAD as GET: net/http sends the headers and drops the body.
func head(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			get := *r
			get.Method = http.MethodGet
			r = &get
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) trace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := s.find(r)
		ctx, end := s.opts.Tracer.Request(r, route)
		ctx = context.WithValue(ctx, routeKey{}, route)
		w.Header().Set("X-Trace-Id", telemetry.TraceID(ctx))
		rec := &recorder{ResponseWriter: w}
		defer func() { end(rec.status()) }()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		route := s.route(r)
		defer s.inFlight.begin(route, telemetry.TraceID(r.Context()), start)()
		rec, ok := w.(*recorder) // made by trace, above
		if !ok {
			rec = &recorder{ResponseWriter: w}
		}
		next.ServeHTTP(rec, r)
		took := time.Since(start)
		s.metrics.observe(route, r.Method, rec.status(), took)
		level := slog.LevelInfo
		if route == "getHealth" || route == "getReady" {
			level = slog.LevelDebug
		}
		s.log.LogAttrs(r.Context(), level, "request", slog.String("method", r.Method), slog.String("route", route),
			slog.Int("status", rec.status()), slog.Int64("bytes", rec.bytes), slog.Duration("took", took))
	})
}

type routeKey struct{}

// route returns the operation id of a request, a bounded set: a metric's label must not be chosen by clients. Trace, above all who
// ask, has found it once.
func (s *Server) route(r *http.Request) string {
	if route, ok := r.Context().Value(routeKey{}).(string); ok {
		return route
	}
	return s.find(r)
}

func (s *Server) find(r *http.Request) string {
	if op, ok := s.operations.FindRoute(r.Method, r.URL.Path); ok {
		return op.OperationID()
	}
	if _, pattern := s.portal.Handler(r); pattern != "" {
		return "portal"
	}
	if s.servesPictures(r) {
		return "picture"
	}
	return "none"
}

func (s *Server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.log.ErrorContext(r.Context(), "panic", "value", v, "stack", string(debug.Stack()))
			if rec, ok := w.(*recorder); ok && rec.code != 0 {
				panic(http.ErrAbortHandler) // half an answer is out: cut the connection, so the client knows
			}
			httpapi.WriteProblem(r.Context(), w, s.log, fault.New(fault.Internal, "panic"))
		}()
		next.ServeHTTP(w, r)
	})
}

func securityHeaders(next http.Handler) http.Handler {
	fixed := http.Header{} // its values are shared by all answers: whoever adds to one gets a copy
	for name, value := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-site",
		"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
		"Cache-Control":                "no-store",
		"Vary":                         "Authorization",
	} {
		fixed.Set(name, value)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		maps.Copy(h, fixed)
		if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" { // RFC 6797 forbids it elsewhere; a forged one binds nobody
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// drain asks every client that still talks to us to open its next connection elsewhere. A bare http.Server.Shutdown
// loses requests that are already on the wire (15 a cut-over, measured); this window lets them arrive and be answered.
func (s *Server) drain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) injectFault(next http.Handler) http.Handler {
	d := s.opts.Debug
	if d == (config.Debug{}) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/health" || r.URL.Path == "/api/ready" {
			next.ServeHTTP(w, r)
			return
		}
		select {
		case <-time.After(d.FaultDelay):
		case <-r.Context().Done():
			return
		}
		if d.FaultStatus == 0 {
			next.ServeHTTP(w, r)
			return
		}
		httpapi.WriteInjected(r.Context(), w, s.log, d.FaultStatus)
	})
}

func (s *Server) guardQuery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if len(r.URL.RawQuery) > maxQuery {
			err = fault.New(fault.TooLarge, "the query string exceeds %d bytes", maxQuery)
		} else if _, perr := url.ParseQuery(r.URL.RawQuery); perr != nil {
			err = fault.Wrap(perr, fault.Invalid, "the query string is malformed").WithCode("malformed_query")
		}
		if err != nil {
			httpapi.WriteProblem(r.Context(), w, s.log, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guardBody reads the body once, within limits. The generated decoder reads it whole and copies it, so a limit has to
// stand before it; and it accepts strings that are not UTF-8, which PostgreSQL would refuse with an error of its own.
func (s *Server) guardBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		if s.streams(r) {
			s.guardUpload(next, w, r)
			return
		}
		body, err := readBody(w, r, bodyLimit(r.URL.Path))
		if err == nil {
			err = checkBody(body, r.Header.Get("Content-Type"))
		}
		if err != nil {
			httpapi.WriteProblem(r.Context(), w, s.log, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// bodyLimit is what a body may weigh.
func bodyLimit(path string) int64 {
	if strings.HasPrefix(path, "/api/v1/auth/") {
		return maxAuth
	}
	return maxBody
}

// readBody refuses a body that announces its excess before it reads any of it, so a client that asked with Expect:
// 100-continue sends none.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	excess := fault.New(fault.TooLarge, "the body exceeds %d bytes", limit)
	if r.ContentLength > limit {
		return nil, excess
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, excess
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the body could not be read").WithCode("unreadable_body")
	}
	return body, nil
}

func checkBody(body []byte, contentType string) error {
	if _, _, err := mime.ParseMediaType(contentType); err != nil && len(body) > 0 {
		return fault.New(fault.Unsupported, "the body has no media type; send Content-Type: application/json")
	}
	if !utf8.Valid(body) {
		return fault.New(fault.Invalid, "the body is not UTF-8").WithCode("invalid_utf8")
	}
	deepest, doubled := outline(body)
	if deepest > maxDepth {
		return fault.New(fault.Invalid, "the body nests deeper than %d levels", maxDepth).WithCode("too_deep")
	}
	if doubled != nil {
		return fault.New(fault.Invalid, "the body has the key %.60s twice in one object", doubled).WithCode("doubled_key")
	}
	return nil
}

func (s *Server) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		budget := s.opts.Patience.Read
		switch {
		case s.route(r) == "exportMe":
			budget = export.Budget
		case r.Method != http.MethodGet:
			budget = s.opts.Patience.Write
		}
		if s.streams(r) {
			budget = uploadBudget
		}
		ctx, cancel := context.WithTimeout(r.Context(), budget)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// recorder notes status and size, and completes headers that depend on the status.
type recorder struct {
	http.ResponseWriter
	code  int
	bytes int64
	cors  http.Header // what the CORS policy says; nothing else may speak for it

	client *ratelimit.Client // who asks; nil for probes
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
		h := r.Header()
		switch code {
		case http.StatusUnauthorized:
			h.Set("WWW-Authenticate", `Bearer realm="api"`)
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			if r.client != nil && r.client.RetryAfter > 0 {
				h.Set("Retry-After", seconds(r.client.RetryAfter))
			}
			if h.Get("Retry-After") == "" {
				h.Set("Retry-After", strconv.Itoa(1+rand.IntN(retryAfter))) // not all at once
			}
		}
		// ogen announces response headers, methods and request headers to browsers by itself, to every origin.
		maps.DeleteFunc(h, func(name string, _ []string) bool { return strings.HasPrefix(name, "Access-Control-") })
		maps.Copy(h, r.cors)
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}
