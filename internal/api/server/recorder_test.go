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
		200: {}, 401: {"Www-Authenticate": {`Bearer realm="api"`}}, 429: {"Retry-After": {"1"}}, 503: {"Retry-After": {"1"}},
	} {
		rec := httptest.NewRecorder()
		w := &recorder{ResponseWriter: rec}
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
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
