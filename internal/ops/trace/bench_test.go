package trace

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/ops/migrate"
)

// BenchmarkOverhead runs 100 statements of one file beside the same file without a trace, on the same server, one after the other. The metric
// is what the trace adds to a statement; the aim is less than 5 ms.
func BenchmarkOverhead(b *testing.B) {
	const statements = 100
	for name, c := range map[string]struct{ begin, each string }{
		"InATransaction": {up, "alter table t add column c%d int;\n"},
		"Outside":        {noTx, "alter table t add column c%d int;\n"},
		"Concurrently":   {noTx, "create index concurrently i%d on t (id);\n"},
	} {
		b.Run(name, func(b *testing.B) {
			var text strings.Builder
			for i := range statements {
				fmt.Fprintf(&text, c.each, i)
			}
			files := folder("1_world.sql", up+"create table t (id int);\ninsert into t select generate_series(1, 1000);", "2_it.sql", c.begin+text.String())
			var with, without time.Duration
			for b.Loop() {
				without += timeUp(b, files, false)
				with += timeUp(b, files, true)
			}
			n := float64(b.N * statements)
			b.ReportMetric(ms(without)/n, "ms-untraced/statement")
			b.ReportMetric(ms(with)/n, "ms-traced/statement")
			b.ReportMetric(ms(with-without)/n, "ms-added/statement")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func timeUp(b *testing.B, files fstest.MapFS, traced bool) time.Duration {
	b.Helper()
	url := server(b)
	o := migrate.Options{}
	t := newTracer(connect(b, url), url)
	defer t.gates.end()
	if traced {
		o.Watch, o.Session = t, []func(*pgx.ConnConfig){t.session}
	}
	m, err := migrate.New(files, o)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := m.Up(b.Context(), url, 1); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if _, err := m.Up(b.Context(), url, 2); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
