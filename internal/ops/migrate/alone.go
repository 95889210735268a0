package migrate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

//go:embed sql/begun.sql
var sqlBegun string

//go:embed sql/indexes.sql
var sqlIndexes string

//go:embed sql/detached.sql
var sqlDetached string

// begun is a statement that commits by itself, so that its count can't commit with it, and what there was before it. It is in the
// ledger from before the statement begins until it is counted; whoever goes on asks the catalogue what became of it.
type begun struct {
	Statement int      `json:"statement"` // from 0
	SQL       string   `json:"sql"`
	Indexes   []uint32 `json:"indexes"` // of the table that it is about
}

// index is an index of a table.
type index struct {
	OID   uint32
	Name  string
	Valid bool
}

// commitsItself says of a statement, by its text, that it can't run in a transaction. The server has the last word: what it refuses
// in a transaction is run without.
func commitsItself(sql string) bool {
	switch first := firstWords(sql, 1)[0]; first {
	case "do", "call":
		body := strings.ToLower(sql)
		return strings.Contains(body, "commit") || strings.Contains(body, "rollback")
	case "vacuum":
		return true
	}
	return concurrent(sql)
}

// alone runs a statement outside of a transaction: the note first, then the statement, then its count.
func (r *runner) alone(ctx context.Context, p pass, i int, st Statement) error {
	about := aboutOf(st.SQL)
	before, err := r.indexes(ctx, about.table)
	if err != nil {
		return err
	}
	b := &begun{Statement: i, SQL: st.SQL, Indexes: []uint32{}}
	for _, x := range before {
		b.Indexes = append(b.Indexes, x.OID)
	}
	if err := r.owned(ctx, func() error { _, err := r.conn.Exec(ctx, sqlBegun, p.mg.Version, b); return err }); err != nil {
		return err
	}
	err = r.retry(ctx, p, i, func() error {
		err := r.statement(ctx, p, i, st)
		if err != nil {
			r.sweep(p, b, about)
		}
		return err
	})
	if err == nil {
		err = r.whole(ctx, i, st, about)
	}
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	return r.owned(ctx, func() error { return r.count(ctx, p.mg, i+1) })
}

// owned runs fn in a transaction with the session's own role, which can write the ledger.
func (r *runner) owned(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return pgx.BeginFunc(context.WithoutCancel(ctx), r.conn, func(pgx.Tx) error {
		if err := r.exec(ctx, "set local session authorization default; set local role to default"); err != nil {
			return err
		}
		return fn()
	})
}

// whole refuses to count a CREATE INDEX that was skipped because an invalid index has its name.
func (r *runner) whole(ctx context.Context, i int, st Statement, about about) error {
	if about.verb != "create" || about.name == "" {
		return nil
	}
	all, err := r.indexes(ctx, about.table)
	if err != nil {
		return err
	}
	for _, x := range all {
		if !x.Valid && unqualified(x.Name) == unqualified(about.name) {
			return fault.Wrap(&failure{st: st, n: i, err: errors.New("an invalid index has the name, so nothing was created")}, fault.Failed,
				"index %s is of no use", x.Name).WithHint("platctl db psql -- -c 'drop index concurrently %s', and run it again", x.Name)
		}
	}
	return nil
}

func unqualified(name string) string {
	return strings.Trim(name[strings.LastIndexByte(name, '.')+1:], `"`)
}

// sweep drops the invalid indexes that a statement has left, so that it can be tried again. What it can't drop in time
// is dropped when somebody goes on.
func (r *runner) sweep(p pass, b *begun, about about) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if r.conn.IsClosed() || r.conn.PgConn().TxStatus() != 'I' {
		return
	}
	if err := r.dropNew(ctx, p, b, about); err != nil {
		r.warn(p, fmt.Sprintf("the invalid index that it left is still there: %v; `%s` drops it first", err, p.command()))
	}
}

// dropNew drops the invalid indexes that were not there before the statement.
func (r *runner) dropNew(ctx context.Context, p pass, b *begun, about about) error {
	if about.verb != "create" && about.verb != "reindex" {
		return nil
	}
	all, err := r.indexes(ctx, about.table)
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.Valid || slices.Contains(b.Indexes, x.OID) {
			continue
		}
		if err := r.exec(ctx, "drop index concurrently "+x.Name); err != nil {
			return err
		}
		r.warn(p, fmt.Sprintf("dropped the invalid index %s that statement %d left", x.Name, b.Statement+1))
	}
	return nil
}

func (r *runner) warn(p pass, msg string) {
	r.emit(Event{Kind: EventWarning, Version: p.mg.Version, Name: p.mg.Name, Message: msg})
	r.res.Warnings = append(r.res.Warnings, msg)
}

func (r *runner) indexes(ctx context.Context, table string) ([]index, error) {
	if table == "" {
		return nil, nil
	}
	rows, err := r.conn.Query(ctx, sqlIndexes, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[index])
}

// settle finds out what became of the statement that an earlier run was at, and returns how many are done. It clears away
// what is left of one that didn't end.
func (r *runner) settle(ctx context.Context, p pass, done int) (int, error) {
	b := p.begun
	if b == nil || b.Statement != done {
		return done, nil
	}
	if err := r.settings(ctx, p, min(done, p.total())); err != nil {
		return 0, err
	}
	about := aboutOf(b.SQL)
	ended, err := r.ended(ctx, b, about)
	if err == nil && !ended {
		err = r.dropNew(ctx, p, b, about)
	}
	if err != nil {
		return 0, databaseFault(err, "%s: what became of statement %d can't be told; nothing was done", p.mg.File, done+1)
	}
	same := p.script.Stepwise && done < p.total() && p.script.Statements[done].SQL == b.SQL
	switch {
	case ended && same:
		return done + 1, nil
	case same && about.verb == "":
		r.warn(p, fmt.Sprintf("statement %d had begun before; it commits by itself, so all of it runs again", done+1))
	}
	return done, nil
}

// ended says by the catalogue whether the statement has done what it says.
func (r *runner) ended(ctx context.Context, b *begun, about about) (bool, error) {
	switch about.verb {
	case "create":
		all, err := r.indexes(ctx, about.table)
		return slices.ContainsFunc(all, func(x index) bool { return x.Valid && !slices.Contains(b.Indexes, x.OID) }), err
	case "drop":
		var there bool
		err := r.conn.QueryRow(ctx, "select to_regclass($1) is not null", about.name).Scan(&there)
		return !there, err
	case "detach":
		var pending bool
		err := r.conn.QueryRow(ctx, sqlDetached, about.table, about.name).Scan(&pending)
		if errors.Is(err, pgx.ErrNoRows) {
			return true, nil
		}
		if err != nil || !pending {
			return false, err
		}
		return true, r.exec(ctx, fmt.Sprintf("alter table %s detach partition %s finalize", about.table, about.name))
	}
	return false, nil
}

// about is what a concurrent statement is about; empty where it can't be told.
type about struct {
	verb  string // create, drop, reindex or detach
	name  string // of the index or partition, as the statement says it; empty where it says none
	table string // of the index, or the index itself where the statement names no table
}

func aboutOf(sql string) about {
	r := &reader{tokens: sqltoken.Split(sql)}
	switch {
	case r.take("create", "index", "concurrently"), r.take("create", "unique", "index", "concurrently"):
		r.take("if", "not", "exists")
		a := about{verb: "create"}
		if !r.take("on") {
			a.name = r.name()
			r.take("on")
		}
		r.take("only")
		a.table = r.name()
		return a
	case r.take("drop", "index", "concurrently"):
		r.take("if", "exists")
		name := r.name()
		return about{verb: "drop", name: name, table: name}
	case r.take("reindex"):
		return r.reindex()
	case r.take("alter", "table"):
		r.take("if", "exists")
		r.take("only")
		a := about{verb: "detach", table: r.name()}
		if r.take("detach", "partition") {
			a.name = r.name()
		}
		if a.name != "" && r.take("concurrently") {
			return a
		}
	}
	return about{}
}

// reindex reads REINDEX, whose leftovers are indexes of the same table. Running it again does no harm.
func (r *reader) reindex() about {
	for r.at < len(r.tokens) && !r.take("index") && !r.take("table") {
		if r.take("schema") || r.take("database") || r.take("system") {
			return about{verb: "reindex"}
		}
		r.at++
	}
	r.take("concurrently")
	name := r.name()
	return about{verb: "reindex", name: name, table: name}
}
