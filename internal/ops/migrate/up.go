package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// Result is what an Up did.
type Result struct {
	From     int64    `json:"from"` // newest applied version before
	To       int64    `json:"to"`   // and after
	Applied  []Done   `json:"applied"`
	Warnings []string `json:"warnings,omitempty"`
}

// Done is one migration that was applied.
type Done struct {
	Version    int64  `json:"version"`
	Name       string `json:"name"`
	Statements int    `json:"statements"`
	DurationMS int64  `json:"duration_ms"`
}

// resetRole gives the session its own role back, so that the ledger can be written whatever a file did. RESET ROLE comes
// second: it returns to a role that the URL asks for.
const resetRole = "reset session authorization; reset role"

// Up applies every pending migration up to version to (0: all), in order, on a session of its own. What it had done
// before an error stays done, and the result says so.
func (m *Migrator) Up(ctx context.Context, url string, to int64) (*Result, error) {
	r := &runner{m: m, res: &Result{Applied: []Done{}}}
	err := r.up(ctx, url, to)
	if err != nil && ctx.Err() != nil && fault.KindOf(err) != fault.Canceled {
		err = fault.Wrap(ctx.Err(), fault.Canceled, "interrupted before the next file") // the server says "canceling statement"
	}
	return r.res, fault.Op("migrate up", err)
}

// runner is one Up.
type runner struct {
	m    *Migrator
	conn *pgx.Conn
	res  *Result
}

func (r *runner) emit(e Event) { r.m.opts.OnEvent(e) }

func (r *runner) up(ctx context.Context, url string, to int64) error {
	var err error
	if r.conn, err = pg.Connect(ctx, url, "platctl migrate"); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = r.conn.Close(ctx)
	}()
	if err := r.acquire(ctx); err != nil {
		return err
	}
	defer r.release()
	if err := r.ensureLedger(ctx); err != nil {
		return err
	}
	entries, err := readLedger(ctx, r.conn)
	if err != nil {
		return err
	}
	st := r.m.compare(entries)
	todo, err := r.m.plan(st, to)
	if err != nil {
		return err
	}
	r.res.From, r.res.To, r.res.Warnings = st.Current, st.Current, st.Warnings
	for _, w := range st.Warnings {
		r.emit(Event{Kind: EventWarning, Message: w})
	}
	for _, mg := range todo {
		if err := r.apply(ctx, mg, entries[mg.Version]); err != nil {
			return err
		}
	}
	return nil
}

// apply runs one file and tells how it went.
func (r *runner) apply(ctx context.Context, mg *Migration, before *entry) error {
	began := time.Now()
	// What a file sets must not reach the next one; RESET ALL leaves the role alone.
	if err := r.script(ctx, "reset all; "+resetRole); err != nil {
		return databaseFault(err, "the session can't be reset before %s", mg.File)
	}
	done, err := resumeAt(mg, before)
	switch {
	case err != nil:
	case mg.Transaction:
		err = r.transactional(ctx, mg, began)
	default:
		err = r.stepwise(ctx, mg, done, began)
	}
	if err != nil {
		r.emit(Event{Kind: EventFailed, Version: mg.Version, Name: mg.Name, Message: err.Error()})
		return err
	}
	took := time.Since(began)
	r.emit(Event{Kind: EventApplied, Version: mg.Version, Name: mg.Name, Took: took, Total: len(mg.Up.Statements)})
	r.res.To = max(r.res.To, mg.Version)
	r.res.Applied = append(r.res.Applied, Done{mg.Version, mg.Name, len(mg.Up.Statements), took.Milliseconds()})
	return nil
}

// transactional runs the file and its ledger row in one transaction, again when it didn't get a lock.
func (r *runner) transactional(ctx context.Context, mg *Migration, began time.Time) error {
	r.emit(Event{Kind: EventStarted, Version: mg.Version, Name: mg.Name, Total: len(mg.Up.Statements)})
	err := r.retry(ctx, mg, 0, func() error { return r.once(ctx, mg, began) })
	if err == nil {
		return nil
	}
	r.note(mg, 0, err, began)
	return r.explain(ctx, mg, err, "nothing of this file was applied")
}

// once is one attempt. The transaction is handled here and not by pgx, which closes the connection when a rollback comes
// with an ended context.
func (r *runner) once(ctx context.Context, mg *Migration, began time.Time) error {
	if err := r.script(ctx, "begin"); err != nil {
		return err
	}
	if err := r.inside(ctx, mg, began); err != nil {
		r.rollback()
		return err
	}
	return r.script(context.WithoutCancel(ctx), "commit") // everything is done: an interruption comes too late
}

func (r *runner) inside(ctx context.Context, mg *Migration, began time.Time) error {
	if err := r.fence(ctx); err != nil {
		return err
	}
	if err := r.script(ctx, timeouts(mg, r.m.opts.LockTimeout, "set local")); err != nil {
		return err
	}
	for i, st := range mg.Up.Statements {
		if err := r.statement(ctx, mg, i, st); err != nil {
			return err
		}
		if r.conn.PgConn().TxStatus() != 'T' {
			return &failure{st: st, n: i, err: errors.New("it ended the transaction; add the line \"-- +goose NO TRANSACTION\"")}
		}
	}
	if err := r.script(ctx, resetRole); err != nil {
		return err
	}
	return r.record(ctx, mg, Applied, len(mg.Up.Statements), "", began)
}

// retry runs fn again, after a pause with full jitter, as long as it didn't get a lock or was the victim of a deadlock.
func (r *runner) retry(ctx context.Context, mg *Migration, done int, fn func() error) error {
	for attempt := 1; ; attempt++ {
		err := fn()
		lost := pg.Is(err, pg.LockNotAvailable) || pg.Is(err, pg.DeadlockDetected)
		if !lost || attempt >= r.m.opts.Attempts || r.conn.PgConn().TxStatus() != 'I' {
			return err
		}
		wait := jitter(0, min(100*time.Millisecond<<(attempt-1), 5*time.Second))
		r.emit(Event{Kind: EventRetry, Version: mg.Version, Name: mg.Name, Done: done, Total: len(mg.Up.Statements),
			Attempt: attempt, Took: wait, Message: err.Error()})
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (r *runner) statement(ctx context.Context, mg *Migration, i int, st Statement) error {
	began := time.Now()
	if err := r.script(ctx, st.SQL); err != nil {
		return &failure{st: st, n: i, err: err}
	}
	r.emit(Event{Kind: EventStatement, Version: mg.Version, Name: mg.Name, Done: i + 1, Total: len(mg.Up.Statements), Took: time.Since(began)})
	return nil
}

// script sends SQL by the simple protocol, which takes several statements and prepares nothing.
func (r *runner) script(ctx context.Context, sql string) error {
	return r.conn.PgConn().Exec(ctx, sql).Close()
}

// timeouts returns the SET statements of a file.
func timeouts(mg *Migration, lock time.Duration, set string) string {
	if mg.lockTimeout != nil {
		lock = *mg.lockTimeout
	}
	out := fmt.Sprintf("%s lock_timeout = %d", set, lock.Milliseconds())
	if mg.statementTimeout != nil {
		out += fmt.Sprintf("; %s statement_timeout = %d", set, mg.statementTimeout.Milliseconds())
	}
	return out
}
