package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/platctl/platctl/internal/base/pg"
)

// begin opens the runner's session, takes the lock and reads the ledger. end gives all of it back, whatever err says.
func (r *runner) begin(ctx context.Context, url string) (entries map[int64]*entry, end func(), err error) {
	end = func() {}
	if r.conn, err = pg.Connect(ctx, url, "platctl migrate", r.m.opts.Session...); err != nil {
		return nil, end, err
	}
	r.watcher.url, r.isReady = url, map[string]bool{}
	end = func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r.release(ctx)
		r.watcher.close(ctx)
		_ = r.conn.Close(ctx)
	}
	if err := r.acquire(ctx); err != nil {
		return nil, end, err
	}
	if err := r.ensureLedger(ctx); err != nil {
		return nil, end, err
	}
	entries, err = readLedger(ctx, r.conn)
	return entries, end, err
}

// run does one file, behind the statements that are done.
func (r *runner) run(ctx context.Context, p pass, done int) error {
	if p.script.unset != nil {
		return p.script.unset
	}
	if !p.script.Stepwise && p.begun == nil {
		return r.transactional(ctx, p)
	}
	if err := r.exec(ctx, resets); err != nil {
		return databaseFault(err, "the session can't be reset before %s", p.mg.File)
	}
	defer r.forget(p)
	done, err := r.settle(ctx, p, done)
	switch {
	case err != nil:
		return err
	case p.mg.batch != nil && !p.down:
		return r.batches(ctx, p)
	case p.script.Stepwise:
		return r.stepwise(ctx, p, done)
	}
	return r.transactional(ctx, p)
}

// tell reports how a file went.
func (r *runner) tell(p pass, err error) error {
	e := Event{Kind: EventApplied, Version: p.mg.Version, Name: p.mg.Name, Took: time.Since(p.began), Total: p.total()}
	switch {
	case err != nil:
		e = Event{Kind: EventFailed, Version: p.mg.Version, Name: p.mg.Name, Message: err.Error()}
	case p.down:
		e.Kind = EventReverted
	}
	r.emit(e)
	return err
}

// transactional runs the file and its ledger row in one transaction, again when it didn't get a lock.
func (r *runner) transactional(ctx context.Context, p pass) error {
	r.emit(Event{Kind: EventStarted, Version: p.mg.Version, Name: p.mg.Name, Total: p.total()})
	err := r.retry(ctx, p, 0, func() error { return r.once(ctx, p) })
	if err == nil {
		return nil
	}
	r.note(p, 0, err)
	return r.explain(ctx, p, err, "nothing of this file was "+p.changed())
}

// once is one attempt. The transaction is handled here and not by pgx, which closes the connection when a rollback comes
// with an ended context.
func (r *runner) once(ctx context.Context, p pass) error {
	inside := r.inside
	if r.m.opts.Watch == nil && pipelines(p.script) { // a watcher looks between the statements
		if err := r.ready(ctx, p); err != nil {
			return err
		}
		inside = r.pipelined
	}
	defer r.forget(p)
	if err := inside(ctx, p); err != nil {
		r.rollback()
		return err
	}
	return r.exec(context.WithoutCancel(ctx), "commit") // everything is done: an interruption comes too late
}

func (r *runner) inside(ctx context.Context, p pass) error {
	for _, sql := range []string{resets, r.opening(p)} {
		if err := r.exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := r.fence(ctx); err != nil {
		return err
	}
	for i, st := range p.script.Statements {
		if err := r.statement(ctx, p, i, st); err != nil {
			return err
		}
		if r.conn.PgConn().TxStatus() != 'T' {
			return &failure{st: st, n: i, err: errors.New("it ended the transaction; add the line \"-- +goose NO TRANSACTION\"")}
		}
	}
	if err := r.exec(ctx, resetRole); err != nil {
		return err
	}
	return r.end(ctx, p)
}

// end writes that the file has ended. Nothing of a reverted file is done any more.
func (r *runner) end(ctx context.Context, p pass) error {
	_, after := p.states()
	return r.record(ctx, p, after, p.doneAtEnd(), "")
}

// retry runs fn again, after a pause with full jitter, as long as it didn't get a lock or was the victim of a deadlock.
func (r *runner) retry(ctx context.Context, p pass, done int, fn func() error) error {
	for attempt := 1; ; attempt++ {
		blockers, err := r.watcher.during(ctx, r.pid, r.lockTimeout(p.mg), fn)
		r.blockers = blockers
		lost := pg.Is(err, pg.LockNotAvailable) || pg.Is(err, pg.DeadlockDetected)
		if !lost || attempt >= r.attempts(p.mg) || r.conn.PgConn().TxStatus() != 'I' {
			return err
		}
		wait := jitter(0, min(100*time.Millisecond<<(attempt-1), 5*time.Second))
		r.emit(Event{Kind: EventRetry, Version: p.mg.Version, Name: p.mg.Name, Done: done, Total: p.total(),
			Attempt: attempt, Took: wait, Message: err.Error(), Blockers: blockers})
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (r *runner) statement(ctx context.Context, p pass, i int, st Statement) error {
	began := time.Now()
	if err := r.watched(ctx, p, i, st); err != nil {
		return &failure{st: st, n: i, err: err}
	}
	r.emit(Event{Kind: EventStatement, Version: p.mg.Version, Name: p.mg.Name, Done: i + 1, Total: p.total(), Took: time.Since(began)})
	return nil
}

// exec sends SQL by the simple protocol, which takes several statements and prepares nothing.
func (r *runner) exec(ctx context.Context, sql string) error {
	return r.conn.PgConn().Exec(ctx, sql).Close()
}

func (r *runner) lockTimeout(mg *Migration) time.Duration {
	if mg.lockTimeout != nil {
		return *mg.lockTimeout
	}
	return r.m.opts.LockTimeout
}

// attempts is how often the file, or a statement of one without a transaction, is tried in all.
func (r *runner) attempts(mg *Migration) int {
	if mg.retries != nil {
		return *mg.retries + 1
	}
	return r.m.opts.Attempts
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
