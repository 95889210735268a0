package compat

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/catalog"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// Options shapes a Judge. The zero value of a field takes the value in its comment.
type Options struct {
	Release          string        // as messages call it; "the release"
	App              string        // whose contract it must be; anybody's
	Min              int64         // the oldest schema that the release runs on, as its manifest says; none
	Role             string        // the role that the release has; the session's
	LockTimeout      time.Duration // 200ms; how long a statement may wait for somebody's lock
	StatementTimeout time.Duration // 30s
}

// judge is one look at one database.
type judge struct {
	conn     *pgx.Conn
	contract *manifest.SQLContract
	usage    *usage
	report   *Report
	plans    []*planned // nil where the statement failed

	strangers []stranger
}

// Judge tells whether the release of a contract runs on the database. It uses a session of its own, which it changes: close it
// afterwards. It reads only.
func Judge(ctx context.Context, conn *pgx.Conn, c *manifest.SQLContract, o Options) (*Report, error) {
	o.Release = cmp.Or(o.Release, "the release")
	j := &judge{conn: conn, contract: c, usage: usageOf(c),
		report: &Report{Release: o.Release, BuiltOn: c.BuiltOn, Statements: len(c.Statements), Findings: []Finding{}, Above: []Migration{}}}
	if o.App != "" && c.App != "" && c.App != o.App {
		return nil, fault.New(fault.Invalid, "the SQL contract is one of %s, not of %s", c.App, o.App).
			WithHint("give the contract of a release of %s", o.App)
	}
	if err := j.judge(ctx, o); err != nil {
		return nil, fault.Op("judge "+o.Release, err)
	}
	j.report.conclude()
	return j.report, nil
}

func (j *judge) judge(ctx context.Context, o Options) error {
	if err := j.settle(ctx, o); err != nil {
		return err
	}
	if err := j.ledger(ctx, o); err != nil {
		return err
	}
	if len(j.contract.Statements) == 0 {
		j.report.add(Finding{Verdict: Unproven, Layer: Statements, Reason: "its SQL contract has no statements, which proves nothing"})
		return nil
	}
	if err := j.as(ctx, o.Role, j.statements); err != nil {
		return err
	}
	if err := j.catalogue(ctx); err != nil {
		return err
	}
	j.declared()
	j.blame()
	return nil
}

// settle makes the session one that only reads, waits for nobody and plans for unknown parameters.
func (j *judge) settle(ctx context.Context, o Options) error {
	sql := fmt.Sprintf("set default_transaction_read_only = on; set plan_cache_mode = force_generic_plan; set lock_timeout = %d; set statement_timeout = %d",
		cmp.Or(o.LockTimeout, 200*time.Millisecond).Milliseconds(), cmp.Or(o.StatementTimeout, 30*time.Second).Milliseconds())
	return databaseFault(j.conn.PgConn().Exec(ctx, sql).Close(), "the session can't be set up")
}

// as does something in a role, empty for the session's own.
func (j *judge) as(ctx context.Context, role string, do func(context.Context) error) error {
	if role == "" {
		return do(ctx)
	}
	if err := j.conn.PgConn().Exec(ctx, "set role "+pgx.Identifier{role}.Sanitize()).Close(); err != nil {
		return fault.Wrap(err, fault.Config, "the role %s can't be taken", role).WithHint("connect as a member of it")
	}
	if err := do(ctx); err != nil {
		return err
	}
	return databaseFault(j.conn.PgConn().Exec(ctx, "reset role").Close(), "the role can't be given back")
}

// ledger reads which migrations are applied. A role of an application may not be let: then nobody can be blamed.
func (j *judge) ledger(ctx context.Context, o Options) (err error) {
	if j.report.Schema, err = migrate.Current(ctx, j.conn); pg.Is(err, pg.InsufficientPrivilege) {
		j.report.Notes = append(j.report.Notes, "this role may not read platctl.migrations, so it isn't known which migration did what")
		return nil
	}
	if err != nil {
		return err
	}
	if o.Min > j.report.Schema {
		j.report.add(Finding{Verdict: Broken, Layer: Declared,
			Reason: fmt.Sprintf("it needs schema %d, and this one is at %d", o.Min, j.report.Schema)})
	}
	j.report.Above, err = applied(ctx, j.conn, j.contract.BuiltOn)
	return err
}

// catalogue compares what was true with what is.
func (j *judge) catalogue(ctx context.Context) error {
	if j.contract.Facts == nil {
		j.report.add(Finding{Verdict: Unproven, Layer: Catalogue,
			Reason: "its SQL contract was made before facts were kept, so what has changed can't be seen"})
		return nil
	}
	snap, err := catalog.Read(ctx, j.conn)
	if err != nil {
		if pg.Is(err, pg.LockNotAvailable) || pg.Is(err, pg.QueryCanceled) {
			j.report.add(Finding{Verdict: Inconclusive, Layer: Catalogue, Reason: "the catalogue can't be read: somebody has a lock on a table"})
			return nil
		}
		return databaseFault(err, "the catalogue can't be read")
	}
	live := newWorld(snap.Facts)
	d := difference(j.contract, live)
	c := &classifier{usage: j.usage, live: live, old: worldOf(j.contract.Facts)}
	j.report.add(c.classify(d)...)
	j.report.add(c.overloads()...)
	j.explain(live)
	return nil
}
