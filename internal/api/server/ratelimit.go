package server

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/api/openapi"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/base/clientaddr"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

// Limits is how the server limits requests.
type Limits struct {
	Mode    limits.Mode // what holds while no policy is applied; empty: shadow
	Most    limits.Mode // what a policy may do at the most; empty: whatever it says
	Clients clientaddr.Resolver
	// Accounts is where servers share limits; nil: in PostgreSQL.
	Accounts ratelimit.Accounts
}

func (s *Server) newLimits() (*ratelimit.Service, error) {
	declared, err := ratelimit.Declared(openapi.Spec())
	if err != nil {
		return nil, err
	}
	if s.opts.Limits.Mode != "" {
		declared.Mode = s.opts.Limits.Mode
	}
	return ratelimit.New(ratelimit.Options{
		Declared: declared, Most: s.opts.Limits.Most, Connect: besidePool(s.opts.Pool, "platctl limits"), Log: s.log,
		Secret: s.opts.IDKey, DB: s.opts.Pool, Accounts: s.opts.Limits.Accounts,
		Refused: func(r ratelimit.Refusal) { s.metrics.limited(r) },
	})
}

// holdToLimits holds each client to its limits. It stands before anything is read, so what is refused costs next to nothing.
func (s *Server) holdToLimits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := s.route(r)
		if route == "getHealth" || route == "getReady" { // whatever a policy says
			next.ServeHTTP(w, r)
			return
		}
		c := &ratelimit.Client{Address: s.opts.Limits.Clients.Of(r)}
		ctx := ratelimit.WithClient(r.Context(), c)
		if token := bearerToken(r); token != "" {
			if claims, err := s.accounts.Claims(token); err == nil { // whether its session has ended is asked later: that may cost I/O
				c.Account = claims.Account
				ctx = httpapi.WithClaims(ctx, token, claims)
			}
		}
		d := s.limits.Decide(ctx, route, r.Method == http.MethodGet, c)
		if d.Limited && d.Enforced {
			announce(w.Header(), d)
		}
		if d.Refused && d.Enforced {
			httpapi.WriteProblem(ctx, w, s.log, fault.New(fault.RateLimited, "more requests than the limit of %q allows", d.Class).WithCode("rate_limited"))
			return
		}
		if rec, ok := w.(*recorder); ok {
			rec.client = c
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// bearerToken returns the token that a request carries.
func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// announce says what the limit is and what is left of it, as draft-ietf-httpapi-ratelimit-headers has it. Everybody is sent
// away at once when all together are too many, so they are asked to come back at different times.
func announce(h http.Header, d limits.Decision) {
	t := d.Reset()
	if d.Refused {
		if t = d.Wait(); d.Global {
			t += time.Duration(rand.Int64N(int64(t/2 + 2*time.Second)))
		}
		h.Set("Retry-After", seconds(t))
	}
	name, _, _ := strings.Cut(d.Policy, ";")
	h.Set("RateLimit-Policy", d.Policy)
	h.Set("RateLimit", name+";r="+strconv.FormatInt(d.Left(), 10)+";t="+seconds(t))
}

// seconds returns a time in whole seconds, never too few.
func seconds(d time.Duration) string {
	return strconv.FormatInt(max(int64((d+time.Second-1)/time.Second), 1), 10)
}
