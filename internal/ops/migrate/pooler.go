package migrate

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// refusePooler refuses a pooler that gives each transaction another session: the runner's lock would belong to a session that others
// use, and stay when this process is gone. A pooler gives a client a number of its own instead of the session's; where the numbers
// are the same nobody stands between. One that keeps a session for its client is let through: while this connection is open,
// no other is in its session.
func (r *runner) refusePooler(ctx context.Context) error {
	if r.pid == r.conn.PgConn().PID() {
		return nil
	}
	other, err := pg.Connect(ctx, r.watcher.url, "platctl migrate, probing")
	if err != nil {
		return databaseFault(err, "whether a pooler shares sessions can't be found out")
	}
	defer other.Close(context.WithoutCancel(ctx))
	// The other one holds a session for a transaction: it is either this one's, or keeps this one from getting it.
	var theirs, ours uint32
	err = pgx.BeginFunc(ctx, other, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&theirs); err != nil || theirs == r.pid {
			return err
		}
		return r.conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&ours)
	})
	switch {
	case err != nil:
		return databaseFault(err, "whether a pooler shares sessions can't be found out")
	case theirs == r.pid || ours != r.pid:
		return fault.New(fault.Conflict, "a pooler in transaction mode stands before PostgreSQL, so a session can't keep the runner's lock; nothing was done").
			WithHint("give the URL of PostgreSQL itself, or of a pool in session mode")
	}
	return nil
}
