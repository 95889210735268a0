package trace

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/speed_table.sql
var sqlSpeedTable string

// Speed is how fast the scratch database's server does what takes long, in bytes of the table a second, measured once a trace.
type Speed struct {
	Read    float64 `json:"read_bytes_per_s"`
	Rewrite float64 `json:"rewrite_bytes_per_s"`
	Index   float64 `json:"index_bytes_per_s"` // building one index
}

// Estimate is how long a statement would keep requests of production waiting. It is an estimate: Base says from what.
type Estimate struct {
	Seconds float64 `json:"seconds"`
	Queued  float64 `json:"queued_requests"` // reads or row writes that would come in that time
	Bytes   int64   `json:"bytes"`           // of the tables that are read or rewritten
	Base    string  `json:"base"`
}

// String says it for people.
func (e *Estimate) String() string {
	return fmt.Sprintf("about %.1f s blocked with about %.0f requests queued, at %s (%s)", e.Seconds, e.Queued, size(e.Bytes), e.Base)
}

func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.0f MB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%d kB", bytes>>10)
}

// ownRows is from how many rows on a statement's own time on the scratch database says how fast it is; below, what doesn't grow with
// the table outweighs the rest.
const ownRows = 50_000

// estimate scales a statement to the sizes of production; nil where it keeps nobody waiting, or no table of it is there.
func (s *Sizes) estimate(st *Statement) *Estimate {
	locks := st.stops()
	if s == nil || len(locks) == 0 || st.work() == "" {
		return nil
	}
	e := &Estimate{}
	var here, there int64 // rows read on the scratch database and in production
	for _, sc := range st.Scans {
		t, ok := s.Tables[sc.Table]
		if sc.New || !ok {
			continue
		}
		e.Bytes += t.Bytes
		e.Seconds += s.Speed.of(st, sc, t)
		here += sc.Tuples
		there += t.Rows * sc.Passes
	}
	if e.Bytes == 0 {
		return nil
	}
	e.Base = "from the speed of reading, rewriting and indexing a table of 20 MB here"
	if here >= ownRows {
		e.Seconds = st.TookMS / 1000 * float64(there) / float64(here)
		e.Base = fmt.Sprintf("from %.0f ms for %d rows here", st.TookMS, here)
	}
	e.Queued = e.Seconds * s.rate(locks)
	return e
}

// of returns the seconds of one table's part.
func (v *Speed) of(st *Statement, sc Scan, t TableSize) float64 {
	if v == nil {
		return 0
	}
	indexes := 0
	for _, l := range st.Locks {
		if l.New && l.Kind == "index" {
			indexes++
		}
	}
	passes := float64(sc.Passes)
	seconds := 0.0
	if slices.Contains(st.Rewrites, sc.Table) {
		seconds += float64(t.Bytes) / v.Rewrite
		indexes, passes = int(sc.Passes)-1, 0
	}
	builds := min(float64(indexes), float64(sc.Passes))
	return seconds + builds*float64(t.Bytes)/v.Index + max(passes-builds, 0)*float64(t.Bytes)/v.Read
}

// rate is how many requests a second the locks keep waiting.
func (s *Sizes) rate(locks []Lock) float64 {
	reads, writes := map[string]float64{}, map[string]float64{}
	for _, l := range locks {
		t := s.Tables[l.Relation]
		if l.Mode.conflicts(RowExclusive) {
			writes[l.Relation] = t.WritesPer
		}
		if l.Mode.conflicts(AccessShare) {
			reads[l.Relation] = t.ScansPer
		}
	}
	sum := 0.0
	for _, m := range []map[string]float64{reads, writes} {
		for _, r := range m {
			sum += r
		}
	}
	return sum
}

// measureSpeed times what takes long on a table of some 20 MB, in a transaction that is rolled back.
func measureSpeed(ctx context.Context, conn *pgx.Conn) (*Speed, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	steps := strings.Split(strings.TrimSpace(sqlSpeedTable), ";\n")
	var bytes int64
	times := make([]float64, len(steps))
	for i, sql := range steps {
		began := time.Now()
		if err := tx.QueryRow(ctx, sql).Scan(&bytes); err != nil && err != pgx.ErrNoRows {
			return nil, err
		}
		times[i] = max(time.Since(began).Seconds(), 1e-6)
	}
	b := float64(bytes)
	return &Speed{Read: b / times[2], Rewrite: b / times[3], Index: b / times[4]}, nil
}
