package trace

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

//go:embed sql/sizes.sql
var sqlSizes string

//go:embed sql/oldest.sql
var sqlOldest string

// Sizes is what a database in use says of its tables.
type Sizes struct {
	Database string               `json:"database"`
	OldestMS int64                `json:"oldest_transaction_ms"` // of the longest open one: what a lock may have to wait for
	Speed    *Speed               `json:"speed,omitempty"`       // of the scratch database
	Tables   map[string]TableSize `json:"tables"`
}

// TableSize is one table of it.
type TableSize struct {
	Rows      int64   `json:"rows"` // by the last ANALYZE
	Bytes     int64   `json:"bytes"`
	Total     int64   `json:"total_bytes"`  // with indexes and TOAST
	WritesPer float64 `json:"writes_per_s"` // rows; the larger of the last second's and the average since the counters began
	ScansPer  float64 `json:"scans_per_s"`  // of the table or an index, the same
}

// samplePause is between the two looks that a rate comes from. Sessions report their counts once a second at most, so a shorter one
// would see nothing of many.
const samplePause = time.Second

// sizesTimeout ends what takes long on a database in use.
const sizesTimeout = 10 * time.Second

// sizesSession opens a session that can't write.
func sizesSession(ctx context.Context, url string) (*pgx.Conn, error) {
	return pg.Connect(ctx, url, "platctl migrate trace --sizes-from", func(cfg *pgx.ConnConfig) {
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
		cfg.RuntimeParams["statement_timeout"] = fmt.Sprint(sizesTimeout.Milliseconds())
		cfg.RuntimeParams["lock_timeout"] = "100"
	})
}

// ReadSizes reads sizes and rates, in two looks a second apart. It only reads the catalogue and counters.
func ReadSizes(ctx context.Context, url string) (*Sizes, error) {
	conn, err := sizesSession(ctx, url)
	if err != nil {
		return nil, fault.Op("read the sizes of production", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	s := &Sizes{Database: conn.Config().Database, Tables: map[string]TableSize{}}
	first, err := counters(ctx, conn)
	if err != nil {
		return nil, fault.Op("read the sizes of production", err)
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(samplePause):
	}
	second, err := counters(ctx, conn)
	var oldest float64
	if err == nil {
		err = conn.QueryRow(ctx, sqlOldest).Scan(&oldest)
	}
	if err != nil {
		return nil, fault.Op("read the sizes of production", err)
	}
	s.OldestMS = int64(oldest * 1000)
	for name, c := range second {
		s.Tables[name] = c.size(first[name], time.Since(began).Seconds())
	}
	return s, nil
}

// counter is one look at a table.
type counter struct {
	TableSize
	writes, scans int64
	since         float64 // seconds
}

func counters(ctx context.Context, conn *pgx.Conn) (map[string]counter, error) {
	rows, err := conn.Query(ctx, sqlSizes)
	if err != nil {
		return nil, err
	}
	out := map[string]counter{}
	var name string
	var c counter
	_, err = pgx.ForEachRow(rows, []any{&name, &c.Rows, &c.Bytes, &c.Total, &c.writes, &c.scans, &c.since}, func() error {
		out[name] = c
		return nil
	})
	return out, err
}

// size makes rates of two looks.
func (c counter) size(before counter, seconds float64) TableSize {
	rate := func(now, then int64) float64 {
		return max(float64(now-then)/seconds, float64(now)/max(c.since, 1), 0)
	}
	out := c.TableSize
	out.WritesPer, out.ScansPer = rate(c.writes, before.writes), rate(c.scans, before.scans)
	return out
}
