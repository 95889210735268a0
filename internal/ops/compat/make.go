package compat

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/catalog"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// maker derives a contract in one transaction, which ends without a trace.
type maker struct {
	conn  *pgx.Conn
	tx    pgx.Tx
	world *world
	plans []*planned
}

// errMade rolls the transaction back.
var errMade = errors.New("made")

// Make derives the contract of queries from a database with the schema that they are written for. For a look at what each depends
// on it makes a temporary function of it in a transaction that is rolled back; the role needs the right to make temporary objects.
func Make(ctx context.Context, conn *pgx.Conn, app string, queries []Query) (*manifest.SQLContract, error) {
	c := &manifest.SQLContract{App: app}
	m := &maker{conn: conn}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		m.tx = tx
		if err := m.make(ctx, c, queries); err != nil {
			return err
		}
		return errMade
	})
	if _, derr := conn.Exec(ctx, "deallocate all"); derr != nil && errors.Is(err, errMade) {
		err = derr
	}
	if !errors.Is(err, errMade) {
		return nil, fault.Op("make the SQL contract", databaseFault(err, "the database's catalogue can't be read"))
	}
	return c, nil
}

func (m *maker) make(ctx context.Context, c *manifest.SQLContract, queries []Query) (err error) {
	if c.BuiltOn, err = m.version(ctx); err != nil {
		return err
	}
	if c.Server, err = serverMajor(ctx, m.tx); err != nil {
		return err
	}
	if _, err := m.tx.Exec(ctx, "set local plan_cache_mode = force_generic_plan"); err != nil {
		return err
	}
	for i, q := range queries {
		p, err := plan(ctx, m.conn, prepared(i), q.SQL)
		if err != nil {
			return statementFault(q.Name, err)
		}
		m.plans = append(m.plans, p)
	}
	snap, err := catalog.Read(ctx, m.tx)
	if err != nil {
		return err
	}
	if m.world, err = readWorld(ctx, m.tx, snap.Facts); err != nil {
		return err
	}
	names, err := typeNames(ctx, m.tx, m.plans)
	if err != nil {
		return err
	}
	sources, err := notNull(ctx, m.tx, m.plans)
	if err != nil {
		return err
	}
	for i, q := range queries {
		s := signature(q, m.plans[i], names, sources)
		if err := m.needs(ctx, &s, m.plans[i], names); err != nil {
			return err
		}
		c.Statements = append(c.Statements, s)
	}
	c.Facts = m.world.touched(c.Statements)
	return nil
}

// version is the newest migration that the ledger has, 0 without one.
func (m *maker) version(ctx context.Context) (int64, error) {
	sp, err := m.tx.Begin(ctx) // a missing ledger is an error, and must not end the transaction
	if err != nil {
		return 0, err
	}
	v, err := migrate.Current(ctx, sp)
	return v, errors.Join(err, sp.Rollback(ctx))
}

func serverMajor(ctx context.Context, db pgx.Tx) (int, error) {
	var n int
	err := db.QueryRow(ctx, "select current_setting('server_version_num')::int / 10000").Scan(&n)
	return n, err
}

// signature fills in what preparing and planning told.
func signature(q Query, p *planned, names map[uint32]string, sources map[source]string) manifest.Statement {
	s := manifest.Statement{Name: q.Name, SQL: q.SQL, Params: []string{}, Columns: []manifest.Column{}, Inserts: p.inserts,
		Updates: p.updates, Deletes: p.deletes, Conflicts: p.conflicts}
	if s.Inserts == nil {
		s.Inserts = []string{}
	}
	for _, oid := range p.desc.ParamOIDs {
		s.Params = append(s.Params, names[oid])
	}
	for _, f := range p.desc.Fields {
		s.Columns = append(s.Columns, manifest.Column{Name: f.Name, Type: names[f.DataTypeOID],
			From: sources[source{f.TableOID, f.TableAttributeNumber}]})
	}
	return s
}

// needs fills in what the statement depends on.
func (m *maker) needs(ctx context.Context, s *manifest.Statement, p *planned, names map[uint32]string) error {
	args := make([]string, len(p.desc.ParamOIDs))
	for i, oid := range p.desc.ParamOIDs {
		args[i] = names[oid]
	}
	n := newNeeds()
	ok, err := m.world.depends(ctx, m.tx, n, strings.Join(args, ", "), s.SQL)
	if err != nil {
		return err
	}
	if !ok {
		n.words(m.world, s.SQL)
	}
	for _, r := range p.relations {
		if n.relations[r] == nil { // inlined from a function, or a partition
			n.relations[r] = map[string]bool{}
		}
	}
	for e, list := range map[event][]string{inserted: s.Inserts, updated: s.Updates, deleted: s.Deletes} {
		for _, r := range list {
			n.write(r, e)
		}
	}
	for _, c := range s.Columns { // a whole row's type is not in the dependencies of every server
		n.types[strings.TrimSuffix(c.Type, "[]")] = true
	}
	if err := m.world.close(ctx, m.tx, n); err != nil {
		return err
	}
	n.fill(s)
	return nil
}

// statementFault tells which query a database doesn't take.
func statementFault(name string, err error) error {
	if state := pg.State(err); state != "" && !pg.Down(err) {
		return fault.Wrap(err, fault.Invalid, "query %s does not run on this database (SQLSTATE %s)", name, state).
			WithHint("give --database one whose schema is the one that the queries are written for")
	}
	return databaseFault(err, "query %s can't be prepared", name)
}

// databaseFault gives a failed statement of our own a kind; nil and faults stay what they are.
func databaseFault(err error, format string, args ...any) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	kind := fault.Failed
	switch {
	case fault.KindOf(err) == fault.Canceled:
		kind = fault.Canceled
	case pg.Down(err):
		kind = fault.Unavailable
	case pg.Is(err, pg.LockNotAvailable), pg.Is(err, pg.QueryCanceled):
		kind = fault.Inconclusive
	}
	return fault.Wrap(err, kind, "%s", fmt.Sprintf(format, args...))
}
