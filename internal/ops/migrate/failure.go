package migrate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

//go:embed sql/failed.sql
var sqlFailed string

// failure is a statement that failed.
type failure struct {
	st  Statement
	n   int // from 0
	err error
}

// Error says which statement and why, with the line of the error where the server knows it.
func (f *failure) Error() string {
	return fmt.Sprintf("line %d, statement %d: %v", f.line(), f.n+1, f.err)
}

func (f *failure) Unwrap() error { return f.err }

func (f *failure) line() int {
	var e *pgconn.PgError
	if !errors.As(f.err, &e) || e.Position < 1 {
		return f.st.Line
	}
	runes := []rune(f.st.SQL) // the server counts characters
	return f.st.Line + strings.Count(string(runes[:min(int(e.Position)-1, len(runes))]), "\n")
}

// explain makes the error of a file: what failed, and in what state the database is now.
func (r *runner) explain(ctx context.Context, p pass, err error, state string) error {
	if ctx.Err() != nil {
		return fault.Wrap(ctx.Err(), fault.Canceled, "%s was interrupted: %s", p.mg.File, state)
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if pg.Is(err, pg.LockNotAvailable) || pg.Is(err, pg.DeadlockDetected) {
		if len(r.blockers) == 0 {
			return fault.Wrap(err, fault.Busy, "%s didn't get its lock in %d attempts: %s", p.mg.File, r.attempts(p.mg), state).
				WithHint("look for long transactions in pg_stat_activity and run it again")
		}
		return fault.Wrap(err, fault.Busy, "%s didn't get its lock in %d attempts: %s; in its way was %s", p.mg.File, r.attempts(p.mg), state, inTheWay(r.blockers)).
			WithHint("wait for it, or end it with %s; then run it again", r.blockers[0].makeWay())
	}
	if pg.Down(err) || r.conn.IsClosed() {
		return fault.Wrap(err, fault.Unavailable, "the connection broke in %s", p.mg.File).
			WithHint("`platctl migrate status` shows what is applied")
	}
	f := fault.Wrap(err, fault.Failed, "%s: %s", p.mg.File, state)
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Hint != "" {
		return f.WithHint("%s", e.Hint)
	}
	return f.WithHint("correct the file and run it again")
}

// note keeps the failure in the ledger. It is best effort: the connection may be gone, and the error itself is reported.
func (r *runner) note(p pass, done int, why error) {
	r.rollback()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = r.exec(ctx, resets)
	switch {
	case !p.script.Stepwise && !p.down:
		_ = r.record(ctx, p, Failed, done, why.Error())
	case !p.script.Stepwise: // it stays applied
		_, _ = r.conn.Exec(ctx, sqlFailed, p.mg.Version, Applied, "down: "+why.Error())
	case p.down:
		_, _ = r.conn.Exec(ctx, sqlFailed, p.mg.Version, Reverting, why.Error())
	default:
		// The counter is right already: it knows which statements a transaction of the file's own has taken back.
		_, _ = r.conn.Exec(ctx, sqlFailed, p.mg.Version, Failed, why.Error())
	}
}

func (r *runner) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// Twice: a request to cancel that comes late can hit the first one.
	for range 2 {
		if !r.conn.IsClosed() && r.conn.PgConn().TxStatus() != 'I' {
			_ = r.exec(ctx, "rollback")
		}
	}
}
