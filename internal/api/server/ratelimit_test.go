package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/clientaddr"
	"github.com/platctl/platctl/internal/base/limits"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// enforce makes a server hold its clients to their limits.
func enforce(o *server.Options) { o.Limits.Mode = limits.Enforce }

// applyPolicy puts a change of the declared policy into force on servers of one database, and returns how long that took.
func applyPolicy(t *testing.T, envs []*apitest.Env, change func(p *limits.Policy)) time.Duration {
	t.Helper()
	p, err := ratelimit.Declared(openapi.Spec())
	if err != nil {
		t.Fatal(err)
	}
	p.Mode = limits.Enforce
	change(&p)
	store := ratelimit.NewStore(envs[0].Pool)
	newest, err := store.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	v, err := store.Apply(t.Context(), newest.Version, p, "test", "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range envs {
		want := fmt.Sprintf("ratelimit_policy_version %d", v.Version)
		for !strings.Contains(metricsOf(env), want) {
			if time.Since(began) > patience {
				t.Fatalf("version %d is not in force after %s", v.Version, patience)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return time.Since(began)
}

func metricsOf(env *apitest.Env) string {
	rec := httptest.NewRecorder()
	env.Server.Admin().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}

// reads gives every kind of client the same limit on reading.
func reads(rate limits.Rate, burst int64) func(p *limits.Policy) {
	return func(p *limits.Policy) {
		l := &limits.Limit{Rate: rate, Burst: burst}
		p.Classes["read"] = limits.Class{Anonymous: l, User: l}
		p.Operations["listFeed"] = limits.Operation{Class: "read"} // its cost may be more than the burst
	}
}

func hourly(burst int64) func(p *limits.Policy) {
	return reads(limits.Rate{Count: 1, Per: time.Hour}, burst)
}

// ask sends a request with headers, name and value in turns.
func ask(t *testing.T, env *apitest.Env, path string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	res.Body = io.NopCloser(strings.NewReader(string(body)))
	return res
}

// Beyond its limit a client is told so, with what the limit is, what is left and when to come back; the answer is the one
// that the spec documents. Probes are never limited, and neither are the preflights of listed origins.
func TestLimitIsEnforced(t *testing.T) {
	t.Parallel()
	const origin = "https://market.example"
	env := apitest.New(t, enforce, func(o *server.Options) { o.Origins = []string{origin} })
	applyPolicy(t, []*apitest.Env{env}, hourly(3))
	for left := 2; left >= 0; left-- {
		res := ask(t, env, "/api/v1/products")
		want := fmt.Sprintf(`"read";r=%d;t=%d`, left, 3600*(3-left))
		if res.StatusCode != http.StatusOK || res.Header.Get("RateLimit") != want || res.Header.Get("RateLimit-Policy") != `"read";q=3;w=10800` {
			t.Errorf("%d, RateLimit %s, want %s; RateLimit-Policy %s", res.StatusCode, res.Header.Get("RateLimit"), want, res.Header.Get("RateLimit-Policy"))
		}
	}
	res := ask(t, env, "/api/v1/products?limit=x", "Origin", origin) // before anything is read
	var problem struct{ Code, TraceID string }
	if err := json.NewDecoder(res.Body).Decode(&problem); err != nil {
		t.Fatal(err)
	}
	wait := res.Header.Get("Retry-After")
	if res.StatusCode != http.StatusTooManyRequests || problem.Code != "rate_limited" || wait != "3600" && wait != "3599" ||
		res.Header.Get("RateLimit") != `"read";r=0;t=`+wait || res.Header.Get("Cache-Control") != "no-store" ||
		!strings.Contains(res.Header.Get("Access-Control-Expose-Headers"), "RateLimit-Policy") {
		t.Errorf("%d %+v %v", res.StatusCode, problem, res.Header)
	}
	for range 5 {
		for _, path := range []string{"/api/health", "/api/ready"} {
			if res := ask(t, env, path); res.StatusCode != http.StatusOK || res.Header.Get("RateLimit") != "" {
				t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
			}
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, env.URL+"/api/v1/products", nil)
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", "GET")
		if res, err := env.HTTP.Do(req); err != nil || res.StatusCode != http.StatusNoContent {
			t.Errorf("preflight: %v, %v", res, err)
		}
	}
	for _, path := range []string{"/api/docs/", "/api/none", "/.git/config"} {
		if res := ask(t, env, path); res.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%s: %d; what is outside the spec draws on the limit of reading", path, res.StatusCode)
		}
	}
	if m := metricsOf(env); !strings.Contains(m, `ratelimit_refused_total{class="read",http_route="listProducts",limit="client"} 1`) ||
		!strings.Contains(m, `ratelimit_refused_total{class="read",http_route="none",limit="client"} 2`) {
		t.Errorf("metrics:\n%s", regexp.MustCompile(`(?m)^ratelimit.*$`).FindAllString(m, -1))
	}
}

// In shadow nobody notices anything but who reads the metrics.
func TestLimitInShadow(t *testing.T) {
	t.Parallel()
	env := apitest.New(t) // shadow is what a server does unless it is told otherwise
	applyPolicy(t, []*apitest.Env{env}, func(p *limits.Policy) { hourly(2)(p); p.Mode = limits.Shadow })
	for range 5 {
		if res := ask(t, env, "/api/v1/products"); res.StatusCode != http.StatusOK || res.Header.Get("RateLimit")+res.Header.Get("RateLimit-Policy") != "" {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
	}
	if m := metricsOf(env); !strings.Contains(m, `ratelimit_shadow_total{class="read",http_route="listProducts",limit="client"} 3`) ||
		strings.Contains(m, "ratelimit_refused_total{") {
		t.Error("the metrics don't tell the three that would have been refused")
	}
	capped := apitest.New(t, func(o *server.Options) { o.Limits.Most = limits.Off })
	applyPolicy(t, []*apitest.Env{capped}, hourly(1))
	for range 3 {
		if res := ask(t, capped, "/api/v1/products"); res.StatusCode != http.StatusOK {
			t.Errorf("limits are off here, whatever a policy says: %d", res.StatusCode)
		}
	}
}

// People behind one address have their own limits as soon as they sign in; a token that is no good makes nobody somebody.
func TestLimitsAreByAccount(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	ben, _ := env.Signup("ben")
	applyPolicy(t, []*apitest.Env{env}, hourly(4))
	status := func(token string) int {
		return ask(t, env, "/api/v1/me", "Authorization", token).StatusCode
	}
	for range 4 {
		if got := status("Bearer " + ana.AccessToken); got != http.StatusOK {
			t.Fatalf("ana: %d", got)
		}
	}
	forged := ben.AccessToken[:len(ben.AccessToken)-4] + "AAAA"
	for _, token := range []string{"", forged, "Bearer " + forged, "Basic " + ben.AccessToken} {
		if got := status(token); got != http.StatusUnauthorized {
			t.Errorf("token %.20q: %d", token, got)
		}
	}
	for token, want := range map[string]int{
		"Bearer " + ana.AccessToken: http.StatusTooManyRequests, "bearer " + ana.AccessToken: http.StatusTooManyRequests,
		"Bearer " + forged: http.StatusTooManyRequests, "": http.StatusTooManyRequests, "Bearer " + ben.AccessToken: http.StatusOK,
	} {
		if got := status(token); got != want {
			t.Errorf("token %.20q: %d, want %d", token, got, want)
		}
	}
}

// A header that claims another address helps nobody but a proxy that is trusted; over a unix socket the edge's word counts.
func TestAddressesAreNotForged(t *testing.T) {
	t.Parallel()
	trusting := func(o *server.Options) {
		o.Limits.Clients = clientaddr.Resolver{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	}
	for name, c := range map[string]struct {
		opts []apitest.Option
		want []int // of three requests with a forged header, then one of somebody else
	}{
		"no proxy is trusted": {nil, []int{200, 429, 429, 429}},
		"a trusted proxy":     {[]apitest.Option{trusting}, []int{200, 429, 429, 200}},
	} {
		env := apitest.New(t, c.opts...)
		applyPolicy(t, []*apitest.Env{env}, hourly(1))
		chain := []string{"203.0.113.9", "6.6.6.6, 203.0.113.9", "7.7.7.7,203.0.113.9", "203.0.113.10"}
		for i, want := range c.want {
			res := ask(t, env, "/api/v1/products", "X-Forwarded-For", chain[i], "Forwarded", fmt.Sprintf("for=8.8.8.%d", i), "X-Real-IP", "9.9.9.9")
			if res.StatusCode != want {
				t.Errorf("%s, request %d: %d, want %d", name, i+1, res.StatusCode, want)
			}
		}
	}
}

// Guessing at one account gets slower whatever the address; the answer is like every 429.
func TestGuessingIsLimited(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	env.Signup("ana")
	applyPolicy(t, []*apitest.Env{env}, func(p *limits.Policy) {
		c := p.Classes["password"]
		c.Anonymous = nil
		p.Classes["password"] = c
	})
	post := func(password string) *http.Response {
		body := strings.NewReader(fmt.Sprintf(`{"handle":"ana","password":%q}`, password))
		res, err := env.HTTP.Post(env.URL+"/api/v1/auth/login", "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	for range 5 {
		if res := post("wrong horse"); res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("a wrong password: %d", res.StatusCode)
		}
	}
	if res := post(password); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") < "170" {
		t.Errorf("the sixth attempt: %d %v", res.StatusCode, res.Header)
	}
	if m := metricsOf(env); !strings.Contains(m, `ratelimit_refused_total{class="password",http_route="login",limit="account"} 1`) {
		t.Error("the metrics don't tell")
	}
}

// A client beyond its limit is refused before it takes a slot: at the limit of the server that is one less to serve.
func TestLimitsComeBeforeAdmission(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	applyPolicy(t, []*apitest.Env{env}, hourly(1))
	if got := ask(t, env, "/api/v1/products").StatusCode; got != http.StatusOK {
		t.Fatal(got)
	}
	defer lockTable(t, env, "products")()
	for range 50 {
		if got := ask(t, env, "/api/v1/products").StatusCode; got != http.StatusTooManyRequests {
			t.Fatalf("%d, want 429", got)
		}
	}
}

// Three servers hold a client to one limit, exactly alone and at most 5 % over together; a policy is in force on all of them
// without a restart, and what the client owes is not forgotten.
func TestServersShareLimits(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	envs := []*apitest.Env{apitest.On(t, url, enforce)}
	applyPolicy(t, envs, hourly(40))
	admit := func(requests int) (admitted int) {
		for i := range requests {
			switch got := ask(t, envs[i%len(envs)], "/api/v1/products").StatusCode; got {
			case http.StatusOK:
				admitted++
			case http.StatusTooManyRequests:
			default:
				t.Fatalf("answered %d", got)
			}
		}
		return admitted
	}
	if got := admit(60); got != 40 {
		t.Errorf("alone: %d admitted, want exactly 40", got)
	}
	envs = append(envs, apitest.On(t, url, enforce), apitest.On(t, url, enforce))
	for _, env := range envs {
		for began := time.Now(); !strings.Contains(metricsOf(env), "ratelimit_servers 3"); time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatal("three servers don't find each other")
			}
		}
	}
	t.Logf("in force on three servers %s after it was applied", applyPolicy(t, envs, hourly(100)))
	if got := admit(300); got > 60*105/100+100/8 || got < 55 {
		t.Errorf("together: %d admitted of the 60 that a burst of 100 leaves after 40", got)
	}
	const perSecond, span = 40, 3 * time.Second
	applyPolicy(t, envs, reads(limits.Rate{Count: perSecond, Per: time.Second}, 20))
	var admitted atomic.Int64
	began := time.Now()
	done := make(chan struct{})
	for i := range envs {
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx := context.Background(); time.Since(began) < span; {
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, envs[i].URL+"/api/v1/products", nil)
				if res, err := http.DefaultClient.Do(req); err == nil {
					_ = res.Body.Close()
					if res.StatusCode == http.StatusOK {
						admitted.Add(1)
					}
				}
			}
		}()
	}
	for range envs {
		<-done
	}
	took := time.Since(began).Seconds()
	t.Logf("%d admitted in %.2f s at %d a second", admitted.Load(), took, perSecond)
	if most := 20 + perSecond*took*1.05; float64(admitted.Load()) > most {
		t.Errorf("together: %d admitted in %.2f s, more than %.0f", admitted.Load(), took, most)
	}
}
