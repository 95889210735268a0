package indexes

import (
	"os"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/base/pg"
)

// What a page of the feed may cost in the database, for every viewer of the medium dataset.
const (
	feedBuffers = 7000
	feedP99     = 15.0 // milliseconds
)

// The feed of the four viewers, in a session of the server's pool: prepared, and with the plan that it asks for. The limits
// stand beside the figures. It needs `platctl db seed --scale medium` on the database at PLATCTL_BENCH_DATABASE:
// `make bench-feed`.
func BenchmarkFeed(b *testing.B) {
	conn := seededSession(b)
	all, err := parse(postgres.Queries())
	if err != nil {
		b.Fatal(err)
	}
	feed := all[slices.IndexFunc(all, func(q query) bool { return q.name == "HomeFeed" })]
	if _, err := conn.Exec(b.Context(), "prepare explained as "+feed.sql); err != nil {
		b.Fatal(err)
	}
	for _, c := range classes()[feed.name] {
		if c.change == "" {
			b.Run(c.name, func(b *testing.B) { benchmarkFeed(b, conn, feed, c) })
		}
	}
}

func seededSession(b *testing.B) *pgx.Conn {
	url := os.Getenv("PLATCTL_BENCH_DATABASE")
	if url == "" {
		b.Skip("PLATCTL_BENCH_DATABASE names no database; `make bench-feed` makes one")
	}
	pool, err := pg.Open(b.Context(), url, pg.Options{AppName: "feed benchmark"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	session, err := pool.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(session.Release)
	if st, err := seed.Inspect(b.Context(), session.Conn()); err != nil || !st.Complete || st.Scale != "medium" {
		b.Fatalf("the database holds %+v, %v; want the medium dataset", st, err)
	}
	return session.Conn()
}

func benchmarkFeed(b *testing.B, conn *pgx.Conn, feed query, c class) {
	execute, err := bind(b.Context(), conn, feed, c)
	if err != nil {
		b.Fatal(err)
	}
	var times []float64
	var buffers int64
	err = rolledBack(b.Context(), conn, func(tx pgx.Tx) error {
		if _, err := explain(b.Context(), tx, execute); err != nil {
			return err
		}
		for b.Loop() {
			p, err := explainTimed(b.Context(), tx, execute)
			if err != nil {
				return err
			}
			times, buffers = append(times, p.Milliseconds), max(buffers, p.Plan.buffers())
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	slices.Sort(times)
	p50, p99 := times[len(times)/2], times[len(times)*99/100]
	b.ReportMetric(0, "ns/op") // the time of EXPLAIN and its answer, which is nobody's
	b.ReportMetric(float64(buffers), "buffers")
	b.ReportMetric(feedBuffers, "buffers-limit")
	b.ReportMetric(p50, "ms-p50")
	b.ReportMetric(p99, "ms-p99")
	b.ReportMetric(feedP99, "ms-p99-limit")
	if buffers > feedBuffers || (len(times) >= 100 && p99 > feedP99) {
		b.Errorf("%d buffers, %.1f ms in the median and %.1f ms in the 99th percentile; at most %d and %.0f ms: is the machine quiet?",
			buffers, p50, p99, feedBuffers, feedP99)
	}
}
