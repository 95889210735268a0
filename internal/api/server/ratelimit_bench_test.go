package server_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
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

// pace sends requests of one client to servers in turns, at a steady rate until the end, and returns how many were admitted
// and refused. A request that the machine delayed is sent late, never skipped.
func pace(b *testing.B, envs []*apitest.Env, address string, perSecond float64, end time.Time) (admitted, refused int) {
	b.Helper()
	every := time.Duration(float64(time.Second) / perSecond)
	for i, at := 0, time.Now(); at.Before(end); i, at = i+1, at.Add(every) {
		time.Sleep(time.Until(at))
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, envs[i%len(envs)].URL+"/api/v1/products?limit=1", nil)
		if err != nil {
			b.Error(err)
			return admitted, refused
		}
		req.Header.Set("X-Forwarded-For", address)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Error(err)
			return admitted, refused
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusTooManyRequests {
			refused++
		} else {
			admitted++
		}
	}
	return admitted, refused
}

// In real time: three servers, twenty clients at half of their limit, and one at ten times it. What the offender costs the
// others, and what it gets, beside what its limit says. `make bench-limits` prints it.
func BenchmarkOffenderBesideOthers(b *testing.B) {
	const clients, perSecond, burst, span = 20, 10, 20, 10 * time.Second
	url := pgtest.New(b, apitest.Template(b))
	behindProxy := func(o *server.Options) {
		o.Limits = server.Limits{Mode: limits.Enforce, Clients: clientaddr.Resolver{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}}
	}
	envs := []*apitest.Env{apitest.On(b, url, behindProxy), apitest.On(b, url, behindProxy), apitest.On(b, url, behindProxy)}
	p, err := ratelimit.Declared(openapi.Spec())
	if err != nil {
		b.Fatal(err)
	}
	p.Mode = limits.Enforce
	p.Classes["read"] = limits.Class{Anonymous: &limits.Limit{Rate: limits.Rate{Count: perSecond, Per: time.Second}, Burst: burst}}
	if _, err := ratelimit.NewStore(envs[0].Pool).Apply(b.Context(), 0, p, "bench", "bench"); err != nil {
		b.Fatal(err)
	}
	time.Sleep(3 * time.Second) // in force everywhere, and every server knows of the others
	var good, bad, sent, got atomic.Int64
	for b.Loop() {
		var all sync.WaitGroup
		end := time.Now().Add(span)
		for i := range clients {
			all.Go(func() {
				a, r := pace(b, envs, fmt.Sprintf("203.0.113.%d", i), perSecond/2, end)
				good.Add(int64(a + r))
				bad.Add(int64(r))
			})
		}
		all.Go(func() {
			a, r := pace(b, envs, "198.51.100.1", 10*perSecond, end)
			sent.Add(int64(a + r))
			got.Add(int64(a))
		})
		all.Wait()
	}
	allowed := float64(burst) + float64(b.N)*perSecond*span.Seconds()
	b.ReportMetric(100*float64(bad.Load())/float64(good.Load()), "%-refused/others")
	b.ReportMetric(float64(sent.Load())/float64(b.N), "sent/offender")
	b.ReportMetric(float64(got.Load())/float64(b.N), "admitted/offender")
	b.ReportMetric(100*(float64(got.Load())/allowed-1), "%-over")
	b.ReportMetric(0, "ns/op")
}
