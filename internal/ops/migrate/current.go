package migrate

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg"
)

//go:embed sql/current.sql
var sqlCurrent string

// Current returns the newest applied version, 0 where there is none. It is one small query without a lock, so a server's
// readiness can ask it every second.
func Current(ctx context.Context, db Querier) (int64, error) {
	rows, err := db.Query(ctx, sqlCurrent)
	var version int64
	if err == nil {
		version, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
	}
	if pg.Is(err, pg.UndefinedTable) {
		return 0, nil
	}
	if err != nil {
		return 0, databaseFault(err, "the ledger platctl.migrations can't be read")
	}
	return version, nil
}
