package migrate

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

//go:embed sql/ledger.sql
var sqlLedger string

//go:embed sql/has_ledger.sql
var sqlHasLedger string

//go:embed sql/read.sql
var sqlRead string

//go:embed sql/record.sql
var sqlRecord string

//go:embed sql/record_down.sql
var sqlRecordDown string

//go:embed sql/done.sql
var sqlDone string

// State is where a migration stands in one database.
type State string

// The states. Pending is not in the ledger: it is a file without a row.
const (
	Pending   State = "pending"
	Running   State = "running"
	Applied   State = "applied"
	Failed    State = "failed"
	Reverting State = "reverting"
	Reverted  State = "reverted" // its down ran; it can be applied again
)

// entry is one row of platctl.migrations.
type entry struct {
	Version    int64
	Name       string
	State      State
	Phase      string
	UpText     string
	UpSHA256   string
	DownText   string
	DownSHA256 string
	// DownStepwise is nil in rows of before it was noted.
	DownStepwise *bool
	Begun        *begun    // nil: no statement is at work that commits by itself
	Progress     *Progress // of a backfill
	StmtTotal    int
	StmtDone     int
	Error        string
	StartedAt    time.Time
	DurationMS   int64
	Release      string
	ToolVersion  string
	DBUser       string
}

// Querier runs a query: a connection, a pool or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readLedger is one query. A database without the ledger has nothing applied.
func readLedger(ctx context.Context, db Querier) (map[int64]*entry, error) {
	return read(ctx, db, true)
}

// readStates is readLedger without the texts of the migrations, for who only looks.
func readStates(ctx context.Context, db Querier) (map[int64]*entry, error) {
	return read(ctx, db, false)
}

func read(ctx context.Context, db Querier, texts bool) (map[int64]*entry, error) {
	rows, err := db.Query(ctx, sqlRead, pgx.QueryExecModeExec, texts) // one round trip
	out := map[int64]*entry{}
	if err == nil {
		var e entry
		_, err = pgx.ForEachRow(rows, e.columns(), func() error {
			row := e
			out[e.Version] = &row
			return nil
		})
	}
	if pg.Is(err, pg.UndefinedTable) {
		return nil, nil
	}
	if err != nil {
		return nil, databaseFault(err, "the ledger platctl.migrations can't be read")
	}
	return out, nil
}

// columns are where read.sql's columns go, in their order.
func (e *entry) columns() []any {
	return []any{&e.Version, &e.Name, &e.State, &e.Phase, &e.UpText, &e.UpSHA256, &e.DownText, &e.DownSHA256, &e.DownStepwise, &e.Begun,
		&e.Progress, &e.StmtTotal, &e.StmtDone, &e.Error, &e.StartedAt, &e.DurationMS, &e.Release, &e.ToolVersion, &e.DBUser}
}

func (r *runner) ensureLedger(ctx context.Context) error {
	var exists bool
	if err := r.conn.QueryRow(ctx, sqlHasLedger).Scan(&exists); err != nil {
		return databaseFault(err, "the ledger platctl.migrations can't be looked for")
	}
	if exists {
		return nil // so that a role that may not create schemas can migrate
	}
	if err := r.exec(ctx, sqlLedger); err != nil {
		return databaseFault(err, "the ledger platctl.migrations can't be made")
	}
	return nil
}

// databaseFault gives a failed statement of our own a kind; nil stays nil.
func databaseFault(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	kind := fault.Failed
	switch {
	case fault.KindOf(err) == fault.Canceled:
		kind = fault.Canceled
	case pg.Down(err):
		kind = fault.Unavailable
	}
	return fault.Wrap(err, kind, format, args...)
}
