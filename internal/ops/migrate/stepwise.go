package migrate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

//go:embed sql/invalid.sql
var sqlInvalid string

// stepwise runs a file without a transaction: a row "running" first, then one statement after the other, each counted. A
// file that stopped halfway goes on behind the last statement that was counted.
func (r *runner) stepwise(ctx context.Context, p pass, done int) error {
	if err := r.fence(ctx); err != nil {
		return err
	}
	kind := EventStarted
	if done > 0 {
		kind = EventResumed
	}
	r.emit(Event{Kind: kind, Version: p.mg.Version, Name: p.mg.Name, Done: done, Total: p.total()})
	if err := r.settings(ctx, p, done); err != nil {
		return err
	}
	during, after := p.states()
	if err := r.record(ctx, p, during, done, ""); err != nil {
		return databaseFault(err, "%s can't be noted as %s; nothing of it was %s", p.mg.File, during, p.changed())
	}
	if err := r.steps(ctx, p, done); err != nil {
		return err
	}
	if err := r.exec(ctx, resetRole); err != nil {
		return databaseFault(err, "%s is %s and not noted", p.mg.File, after)
	}
	if err := r.end(ctx, p); err != nil {
		return databaseFault(err, "%s is %s and not noted", p.mg.File, after).(*fault.Error).
			WithHint("`%s` notes it; every statement is counted", p.command())
	}
	return r.warnInvalid(ctx, p.mg)
}

// settings sets again what statements that are done have set for the session.
func (r *runner) settings(ctx context.Context, p pass, done int) error {
	for _, st := range p.script.Statements[:done] {
		w := firstWords(st.SQL, 2)
		if w[0] != "set" && w[0] != "reset" || w[1] == "local" || w[1] == "transaction" || w[1] == "constraints" {
			continue
		}
		if err := r.exec(ctx, st.SQL); err != nil {
			return databaseFault(err, "%s:%d: what the session was set to can't be set again", p.mg.File, st.Line)
		}
	}
	return nil
}

// steps runs the statements behind the ones that are done.
func (r *runner) steps(ctx context.Context, p pass, done int) error {
	for i := done; i < p.total(); i++ {
		if err := r.step(ctx, p, i, p.script.Statements[i]); err != nil {
			r.note(p, done, err)
			return r.explain(ctx, p, err, fmt.Sprintf("%d of its %d statements are %s, and `%s` goes on behind them",
				done, p.total(), p.changed(), p.command()))
		}
		if r.conn.PgConn().TxStatus() == 'I' { // else the file's own transaction is open and may take it back
			done = i + 1
		}
	}
	if r.conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	r.rollback()
	err := errors.New("the file leaves a transaction open")
	r.note(p, 0, err)
	return fault.Wrap(err, fault.Failed, "%s", p.mg.File).WithHint("commit it in the file")
}

// warnInvalid tells of indexes that an interrupted CREATE INDEX CONCURRENTLY left behind: with IF NOT EXISTS the statement
// succeeds the next time, and the index is still of no use.
func (r *runner) warnInvalid(ctx context.Context, mg *Migration) error {
	rows, err := r.conn.Query(ctx, sqlInvalid)
	var names []string
	if err == nil {
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return databaseFault(err, "%s is applied; the indexes can't be checked", mg.File)
	}
	if len(names) > 0 {
		msg := fmt.Sprintf("index %s is invalid: drop it concurrently and create it again", strings.Join(names, ", "))
		r.emit(Event{Kind: EventWarning, Version: mg.Version, Name: mg.Name, Message: msg})
		r.res.Warnings = append(r.res.Warnings, msg)
	}
	return nil
}

// step runs statement i. Whoever is killed anywhere in it leaves a ledger that knows: the count commits with the statement, or,
// where the statement commits by itself, a note of what there was before it is written first.
func (r *runner) step(ctx context.Context, p pass, i int, st Statement) error {
	if r.conn.PgConn().TxStatus() != 'I' {
		return r.inOwn(ctx, p, i, st)
	}
	limit := r.m.opts.LockTimeout
	if concurrent(st.SQL) {
		limit = 0 // it waits for old transactions and holds nobody up; stopped halfway it leaves an invalid index
	}
	if err := r.exec(ctx, timeouts(p.mg, limit, "set")); err != nil {
		return err
	}
	if transactionControl(st.SQL) != "" {
		return r.statement(ctx, p, i, st) // the file's own transaction; its statements are counted when it ends
	}
	if !commitsItself(st.SQL) {
		err := r.retry(ctx, p, i, func() error { return r.together(ctx, p, i, st) })
		if !pg.Is(err, pg.ActiveSQLTransaction) && !pg.Is(err, pg.InvalidTermination) {
			return err
		}
	}
	return r.alone(ctx, p, i, st)
}

// inOwn runs a statement of a transaction that the file has begun. The count of all of them commits with it.
func (r *runner) inOwn(ctx context.Context, p pass, i int, st Statement) error {
	if word := transactionControl(st.SQL); r.conn.PgConn().TxStatus() == 'T' && (word == "COMMIT" || word == "END") {
		if err := r.count(ctx, p.mg, i+1); err != nil {
			return err
		}
	}
	return r.statement(ctx, p, i, st)
}

// together runs one statement and its count in one transaction.
func (r *runner) together(ctx context.Context, p pass, i int, st Statement) error {
	if err := r.exec(ctx, "begin"); err != nil {
		return err
	}
	if err := r.statement(ctx, p, i, st); err != nil {
		r.rollback()
		return err
	}
	ctx = context.WithoutCancel(ctx)
	own := r.conn.PgConn().TxStatus() != 'T' // a block of several statements has ended it
	if own {
		if err := r.exec(ctx, "begin"); err != nil {
			return err
		}
	}
	err := r.count(ctx, p.mg, i+1)
	if err == nil {
		err = r.exec(ctx, "commit") // a deferred constraint may fail here
	}
	if err != nil {
		r.rollback()
		return &failure{st: st, n: i, err: err}
	}
	return nil
}

// count writes how many statements are done, with the session's own role and without taking away the one that the file
// has set: SET LOCAL ends with the transaction, which is open.
func (r *runner) count(ctx context.Context, mg *Migration, done int) error {
	if err := r.exec(ctx, "set local session authorization default; set local role to default"); err != nil {
		return err
	}
	_, err := r.conn.Exec(ctx, sqlDone, mg.Version, done)
	return err
}

// concurrent says whether a statement is CREATE INDEX, DROP INDEX, REINDEX or DETACH PARTITION CONCURRENTLY. A REFRESH that says so
// locks its view like others do.
func concurrent(sql string) bool {
	tokens := sqltoken.Split(sql)
	return len(tokens) > 0 && !tokens[0].Is("refresh") && slices.ContainsFunc(tokens, func(t sqltoken.Token) bool { return t.Is("concurrently") })
}

// resumeAt returns how many statements of the file an earlier run has done. The file may have been corrected since, but
// not in what is done already.
func (r *runner) resumeAt(mg *Migration, before *entry) (int, error) {
	if before == nil || before.StmtDone == 0 || before.State == Applied || before.State == Reverted {
		return 0, nil
	}
	if !mg.Up.Stepwise {
		return 0, fault.New(fault.Conflict, "%s stopped behind statement %d without a transaction, and now wants one; nothing was done",
			mg.File, before.StmtDone).WithHint("restore the line \"-- +goose NO TRANSACTION\"")
	}
	old, err := parseFile(fmt.Sprintf("%d_%s.sql", mg.Version, mg.Name), "-- +goose NO TRANSACTION\n-- +goose Up\n"+before.UpText, r.m.opts.Env)
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
