package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Trap: the generated code announces declared response headers to browsers by itself, right before it writes the status.
// The recorder takes that back: which origins may read what is for a CORS policy to say.
func TestRecorderCompletesHeaders(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]http.Header{
		200: {}, 401: {"Www-Authenticate": {`Bearer realm="api"`}}, 429: {"Retry-After": {"7"}}, 503: {"Retry-After": {"7"}},
	} {
		rec := httptest.NewRecorder()
		w := &recorder{ResponseWriter: rec}
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
		w.Header().Set("Retry-After", want.Get("Retry-After")) // who knows better is not overruled
		w.WriteHeader(code)
		w.WriteHeader(http.StatusTeapot) // too late: must change nothing
		for _, h := range []string{"Access-Control-Expose-Headers", "Www-Authenticate", "Retry-After"} {
			if got := rec.Header().Get(h); got != want.Get(h) {
				t.Errorf("%d: %s is %q, want %q", code, h, got, want.Get(h))
			}
		}
		if w.status() != code || rec.Code != code {
			t.Errorf("status %d and %d, want %d", w.status(), rec.Code, code)
		}
	}
}

// Clients that are turned away together are not all sent back at the same moment.
func TestRetriesAreSpread(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		rec := httptest.NewRecorder()
		(&recorder{ResponseWriter: rec}).WriteHeader(http.StatusServiceUnavailable)
		seen[rec.Header().Get("Retry-After")] = true
	}
	if len(seen) != 3 || !seen["1"] || !seen["2"] || !seen["3"] {
		t.Errorf("Retry-After is one of %v, want 1, 2 and 3", seen)
	}
}
