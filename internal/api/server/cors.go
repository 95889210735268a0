package server

import "net/http"

// What a browser's script of a listed origin may send and read.
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Traceparent"
	corsExpose  = "X-Trace-Id, Retry-After, RateLimit, RateLimit-Policy, Link, ETag, Idempotent-Replayed"
	corsMaxAge  = "600" // seconds; browsers cap it themselves
)

// exactly returns the set of origins.
func exactly(origins []string) map[string]bool {
	set := make(map[string]bool, len(origins))
	for _, o := range origins {
		set[o] = true
	}
	return set
}

// cors answers browsers: exactly the configured origins, never a reflection, a wildcard or "null". Another origin gets
// no header at all, so its browser refuses the answer to its script. A preflight is answered here: it carries no token.
func (s *Server) cors(next http.Handler) http.Handler {
	if len(s.origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		rec, ok := w.(*recorder)
		if !ok || !s.origins[origin] {
			next.ServeHTTP(w, r)
			return
		}
		rec.cors = http.Header{"Access-Control-Allow-Origin": {origin}, "Access-Control-Expose-Headers": {corsExpose}}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			rec.cors.Set("Access-Control-Allow-Methods", corsMethods)
			rec.cors.Set("Access-Control-Allow-Headers", corsHeaders)
			rec.cors.Set("Access-Control-Max-Age", corsMaxAge)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
