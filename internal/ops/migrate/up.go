package migrate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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

//go:embed sql/failed.sql
var sqlFailed string

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

// stepwise runs a file without a transaction: a row "running" first, then one statement after the other, each counted. A
// file that stopped halfway goes on behind the last statement that was counted.
func (r *runner) stepwise(ctx context.Context, mg *Migration, done int, began time.Time) error {
	if err := r.fence(ctx); err != nil {
		return err
	}
	kind := EventStarted
	if done > 0 {
		kind = EventResumed
	}
	r.emit(Event{Kind: kind, Version: mg.Version, Name: mg.Name, Done: done, Total: len(mg.Up.Statements)})
	if err := r.record(ctx, mg, Running, done, "", began); err != nil {
		return databaseFault(err, "%s can't be noted as running; nothing of it was applied", mg.File)
	}
	for i := done; i < len(mg.Up.Statements); i++ {
		err := r.step(ctx, mg, i, mg.Up.Statements[i])
		if err != nil {
			r.note(mg, done, err, began)
			return r.explain(ctx, mg, err, fmt.Sprintf("%d of its %d statements are applied, and `platctl migrate up` goes on behind them",
				done, len(mg.Up.Statements)))
		}
		if r.conn.PgConn().TxStatus() == 'I' { // else the file's own transaction is open and may take it back
			done = i + 1
		}
	}
	if r.conn.PgConn().TxStatus() != 'I' {
		r.rollback()
		err := errors.New("the file leaves a transaction open")
		r.note(mg, 0, err, began)
		return fault.Wrap(err, fault.Failed, "%s", mg.File).WithHint("commit it in the file")
	}
	if err := r.script(ctx, resetRole); err != nil {
		return databaseFault(err, "%s is applied and not noted", mg.File)
	}
	if err := r.record(ctx, mg, Applied, len(mg.Up.Statements), "", began); err != nil {
		return databaseFault(err, "%s is applied and not noted", mg.File).(*fault.Error).
			WithHint("`platctl migrate up` notes it; every statement is counted")
	}
	return nil
}

func (r *runner) step(ctx context.Context, mg *Migration, i int, st Statement) error {
	limit := r.m.opts.LockTimeout
	if concurrent(st.SQL) {
		limit = 0 // it waits for old transactions and holds nobody up; stopped halfway it leaves an invalid index
	}
	if r.conn.PgConn().TxStatus() == 'I' {
		if err := r.script(ctx, timeouts(mg, limit, "set")); err != nil {
			return err
		}
	}
	if err := r.retry(ctx, mg, i, func() error { return r.statement(ctx, mg, i, st) }); err != nil {
		return err
	}
	if r.conn.PgConn().TxStatus() != 'I' {
		return nil // the file's own transaction; its statements are counted when it has ended
	}
	return r.count(context.WithoutCancel(ctx), mg, i+1)
}

// count writes how many statements are done, with the session's own role and without taking away the one that the file
// has set: SET LOCAL ends with the transaction.
func (r *runner) count(ctx context.Context, mg *Migration, done int) error {
	return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		if err := r.script(ctx, "set local session authorization default; set local role to default"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlDone, mg.Version, done)
		return err
	})
}

// concurrent says whether a statement is CREATE INDEX, DROP INDEX or REINDEX CONCURRENTLY, or the like.
func concurrent(sql string) bool {
	for _, w := range firstWords(sql, 6) {
		if w == "concurrently" {
			return true
		}
	}
	return false
}

// resumeAt returns how many statements of the file an earlier run has done. The file may have been corrected since, but
// not in what is done already.
func resumeAt(mg *Migration, before *entry) (int, error) {
	if before == nil || before.StmtDone == 0 || before.State == Applied {
		return 0, nil
	}
	if mg.Transaction {
		return 0, fault.New(fault.Conflict, "%s stopped behind statement %d without a transaction, and now wants one; nothing was done",
			mg.File, before.StmtDone).WithHint("restore the line \"-- +goose NO TRANSACTION\"")
	}
	old, err := parseFile(mg.File, "-- +goose NO TRANSACTION\n-- +goose Up\n"+before.UpText)
	if err != nil {
		return 0, err
	}
	for i := range before.StmtDone {
		if i >= len(mg.Up.Statements) || i >= len(old.Up.Statements) || mg.Up.Statements[i].SQL != old.Up.Statements[i].SQL {
			return 0, fault.New(fault.Conflict, "%s stopped behind statement %d, and statement %d was changed since; nothing was done",
				mg.File, before.StmtDone, i+1).
				WithHint("restore the first %d statements; only the ones behind them may change", before.StmtDone)
		}
	}
	return before.StmtDone, nil
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

// note keeps the failure in the ledger. It is best effort: the connection may be gone, and the error itself is reported.
func (r *runner) note(mg *Migration, done int, why error, began time.Time) {
	r.rollback()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = r.script(ctx, resetRole)
	if mg.Transaction {
		_ = r.record(ctx, mg, Failed, done, why.Error(), began)
		return
	}
	// The counter is right already: it knows which statements a transaction of the file's own has taken back.
	_, _ = r.conn.Exec(ctx, sqlFailed, mg.Version, why.Error())
}

func (r *runner) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if !r.conn.IsClosed() && r.conn.PgConn().TxStatus() != 'I' {
		_ = r.script(ctx, "rollback")
	}
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
func (r *runner) explain(ctx context.Context, mg *Migration, err error, state string) error {
	if ctx.Err() != nil {
		return fault.Wrap(ctx.Err(), fault.Canceled, "%s was interrupted: %s", mg.File, state)
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if pg.Is(err, pg.LockNotAvailable) || pg.Is(err, pg.DeadlockDetected) {
		return fault.Wrap(err, fault.Busy, "%s didn't get its lock in %d attempts: %s", mg.File, r.m.opts.Attempts, state).
			WithHint("look for long transactions in pg_stat_activity and run it again")
	}
	if pg.Down(err) || r.conn.IsClosed() {
		return fault.Wrap(err, fault.Unavailable, "the connection broke in %s", mg.File).
			WithHint("`platctl migrate status` shows what is applied")
	}
	f := fault.Wrap(err, fault.Failed, "%s: %s", mg.File, state)
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Hint != "" {
		return f.WithHint("%s", e.Hint)
	}
	return f.WithHint("correct the file and run it again")
}
