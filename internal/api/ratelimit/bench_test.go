package ratelimit_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/api/ratelimit/redistest"
	"github.com/platctl/platctl/internal/base/limits"
)

// How long it takes from a policy's being applied to its being in force on each of three servers. `make bench-limits` prints it.
func BenchmarkReload(b *testing.B) {
	url, pool := database(b)
	pretend(b, pool, 3)
	policy := func(burst int64) limits.Policy { return perClient(limits.Rate{Count: 1, Per: time.Hour}, burst) }
	servers := []*ratelimit.Service{start(b, url, pool, policy(40)), start(b, url, pool, policy(40)), start(b, url, pool, policy(40))}
	store := ratelimit.NewStore(pool)
	var took []time.Duration
	var version int64
	for b.Loop() {
		began := time.Now()
		if _, err := store.Apply(b.Context(), version, policy(41+version), "bench", "bench"); err != nil {
			b.Fatal(err)
		}
		version++
		for _, s := range servers {
			eventually(b, "the new policy", func() bool { return s.Status().Version == version })
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds(), "p50-s")
	b.ReportMetric(took[(len(took)*99-1)/100].Seconds(), "p99-s")
	b.ReportMetric(took[len(took)-1].Seconds(), "max-s")
	b.ReportMetric(0, "ns/op")
}

// What one call costs that borrows for a client, and for a batch of them.
func BenchmarkLend(b *testing.B) {
	for name, open := range map[string]func() ratelimit.Accounts{
		"postgres": func() ratelimit.Accounts {
			url, _ := database(b)
			return ratelimit.NewLedger(func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) })
		},
		"redis": func() ratelimit.Accounts { return connect(b, redistest.New(b).Open()) },
	} {
		accounts := open()
		for batch, n := range map[string]int{"one": 1, "batch of 256": 256} {
			asks := make([]limits.Ask, n)
			for i := range asks {
				asks[i] = ask(client(byte(i)), 1_000_000, 1_000_000, 0, 1)
			}
			b.Run(name+"/"+batch, func(b *testing.B) {
				failed := 0 // of those that took too long on a busy machine
				for b.Loop() {
					if _, err := accounts.Lend(b.Context(), asks); err != nil {
						failed++
					}
				}
				b.ReportMetric(float64(failed), "failed")
			})
		}
	}
}
