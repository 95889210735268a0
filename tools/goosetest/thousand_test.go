package goosetest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/catalog"
)

const (
	thousand = 1000
	statuses = 5 // in a row, of which the mean is told
)

// BenchmarkThousand applies 1,000 migrations, asks for the status and takes all of them back, with goose and with platctl on the same
// server, in turns: milliseconds of each, how many times as fast platctl is, and what a status costs in round trips. The first status is
// on a session that is new, with platctl, and on the one that has migrated, with goose, which keeps it; the others are on a session
// that knows the tables, with both.
func BenchmarkThousand(b *testing.B) {
	files := fstest.MapFS{}
	for i := 1; i <= thousand; i++ {
		files[fmt.Sprintf("%04d_t.sql", i)] = &fstest.MapFile{Data: fmt.Appendf(nil,
			"-- +goose Up\ncreate table t%d (id bigint primary key, name text not null);\n-- +goose Down\ndrop table t%d;\n", i, i)}
	}
	total := map[string]time.Duration{}
	trips := int64(0)
	for n := range b.N {
		if n%2 == 0 {
			theirs(b, files, total)
			trips = ours(b, files, total)
		} else {
			trips = ours(b, files, total)
			theirs(b, files, total)
		}
	}
	for _, what := range []string{"status", "goose status"} {
		total[what] /= statuses
	}
	per := func(what string) float64 { return total[what].Seconds() * 1000 / float64(b.N) }
	for _, what := range []string{"up", "first status", "status", "down"} {
		unit := strings.ReplaceAll(what, " ", "-")
		b.ReportMetric(per("goose "+what), "goose-"+unit+"-ms")
		b.ReportMetric(per(what), unit+"-ms")
		b.ReportMetric(per("goose "+what)/per(what), unit+"-times")
	}
	b.ReportMetric(per("fingerprint"), "fingerprint-ms")
	b.ReportMetric(float64(trips), "status-trips")
	b.ReportMetric(0, "ns/op")
}

func timed(total map[string]time.Duration, what string, fn func()) {
	began := time.Now()
	fn()
	total[what] += time.Since(began)
}

func theirs(b *testing.B, files fstest.MapFS, total map[string]time.Duration) {
	url := pgtest.Empty(b)
	p := provider(b, files, url)
	check := must(b)
	timed(total, "goose up", func() { check(p.Up(b.Context())) })
	timed(total, "goose first status", func() { check(p.Status(b.Context())) })
	timed(total, "goose status", func() {
		for range statuses {
			check(p.Status(b.Context()))
		}
	})
	timed(total, "goose down", func() { check(p.DownTo(b.Context(), 0)) })
}

func ours(b *testing.B, files fstest.MapFS, total map[string]time.Duration) (trips int64) {
	url := pgtest.Empty(b)
	m := platctl(b, files)
	check := must(b)
	timed(total, "up", func() { check(m.Up(b.Context(), url, 0)) })
	conn, n := counted(b, url)
	status := func() {
		st, err := m.Status(b.Context(), conn)
		check(st, err)
		if st.Current != thousand {
			b.Fatalf("status %+v", st)
		}
	}
	timed(total, "first status", status)
	trips = n.Load()
	timed(total, "status", func() {
		for range statuses {
			status()
		}
	})
	timed(total, "fingerprint", func() { check(catalog.Read(b.Context(), conn)) })
	timed(total, "down", func() { check(m.Down(b.Context(), url, 0)) })
	return trips
}

// counted opens a session as platctl does and counts its round trips from then on: reads that follow a write.
func counted(b *testing.B, url string) (*pgx.Conn, *atomic.Int64) {
	b.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		b.Fatal(err)
	}
	n := &atomic.Int64{}
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return &countedConn{Conn: c, trips: n}, err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	conn, err := pgx.ConnectConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(context.Background()) })
	n.Store(0)
	return conn, n
}

type countedConn struct {
	net.Conn
	trips *atomic.Int64
	wrote atomic.Bool
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.wrote.Store(true)
	return c.Conn.Write(p)
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.wrote.Swap(false) {
		c.trips.Add(1)
	}
	return n, err
}
