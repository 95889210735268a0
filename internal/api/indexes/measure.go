// Package indexes explains every list of the API on a seeded database: what a page costs, which index serves it and what
// that index costs whoever writes.
//
// Invariants: queries come from queries/*.sql and parameters from one table of classes; figures are pages and WAL, not times,
// so the page it writes can be made again elsewhere; everything is measured in transactions that are rolled back. Measuring
// an index drops it for a moment inside its transaction, which locks the table: never in production.
package indexes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/base/fault"
)

// Report is what the lists cost.
type Report struct {
	Dataset string  `json:"dataset"`
	Hash    string  `json:"hash"`
	Server  string  `json:"server"` // version of PostgreSQL
	Random  string  `json:"random_page_cost"`
	Lists   []List  `json:"lists"`
	Indexes []Index `json:"indexes"`
}

// List is one query.
type List struct {
	Name    string `json:"name"`
	SQL     string `json:"sql"`
	Classes []Cost `json:"classes"`
	Worst   string `json:"worst"` // the class whose plan is shown
	Plan    string `json:"plan"`
}

// Cost is what one class of callers costs, in pages that were found in or read into the cache, after one run to warm up.
type Cost struct {
	Class   string   `json:"class"`
	Rows    int64    `json:"rows"`
	Buffers int64    `json:"buffers"`
	Generic int64    `json:"generic_buffers"` // with the plan that knows no parameters
	Indexes []string `json:"indexes"`
}

// Measure explains every list. The session is its own meanwhile.
func Measure(ctx context.Context, conn *pgx.Conn) (Report, error) {
	rep, err := measure(ctx, conn)
	return rep, fault.Op("explain the lists", err)
}

func measure(ctx context.Context, conn *pgx.Conn) (Report, error) {
	st, err := seed.Inspect(ctx, conn)
	if err != nil {
		return Report{}, err
	}
	if !st.Complete || st.Empty || st.Scale == seed.Scales()[0].Name {
		return Report{}, fault.New(fault.Unavailable, "the database has no dataset that lists can be measured on").
			WithHint("platctl db seed --scale medium")
	}
	rep := Report{Dataset: st.Name(), Hash: st.Hash, Server: conn.PgConn().ParameterStatus("server_version")}
	if err := conn.QueryRow(ctx, "show random_page_cost").Scan(&rep.Random); err != nil {
		return rep, err
	}
	all, err := parse(postgres.Queries())
	if err != nil {
		return rep, err
	}
	used := map[string]bool{}
	for _, q := range all {
		cs, ok := classes()[q.name]
		if !ok {
			continue
		}
		l, err := explainList(ctx, conn, q, cs)
		if err != nil {
			return rep, fault.Wrap(err, fault.Failed, "%s can't be explained", q.name)
		}
		rep.Lists = append(rep.Lists, l)
		for _, c := range l.Classes {
			for _, i := range c.Indexes {
				used[i] = true
			}
		}
	}
	rep.Indexes, err = measureIndexes(ctx, conn, used)
	return rep, err
}

func explainList(ctx context.Context, conn *pgx.Conn, q query, cs []class) (List, error) {
	l := List{Name: q.name, SQL: q.text}
	var most int64 = -1
	for _, c := range cs {
		cost, text, err := explainClass(ctx, conn, q, c)
		if err != nil {
			return l, err
		}
		l.Classes = append(l.Classes, cost)
		if cost.Buffers > most {
			most, l.Worst, l.Plan = cost.Buffers, c.name, text
		}
	}
	return l, nil
}

func explainClass(ctx context.Context, conn *pgx.Conn, q query, c class) (Cost, string, error) {
	cost := Cost{Class: c.name}
	execute, err := bind(ctx, conn, q, c)
	if err != nil {
		return cost, "", err
	}
	var text string
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "deallocate explained") }() // it outlives its transaction
	err = rolledBack(ctx, conn, func(tx pgx.Tx) error {
		for _, s := range []string{c.change, "set local jit = off", "set local plan_cache_mode = force_generic_plan", "prepare explained as " + q.sql} {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		root, err := explain(ctx, tx, execute)
		if err != nil {
			return err
		}
		cost.Generic = root.buffers()
		if _, err := tx.Exec(ctx, "set local plan_cache_mode = force_custom_plan"); err != nil {
			return err
		}
		if root, err = explain(ctx, tx, execute); err != nil {
			return err
		}
		cost.Buffers, cost.Rows, cost.Indexes = root.buffers(), root.Rows, root.indexes()
		lines, err := tx.Query(ctx, "explain (analyze, buffers, costs off, timing off, summary off) "+execute)
		if err != nil {
			return err
		}
		plan, err := pgx.CollectRows(lines, pgx.RowTo[string])
		if end := slices.Index(plan, "Planning:"); end >= 0 { // what planning read depends on what the session knew already
			plan = plan[:end]
		}
		text = strings.Join(plan, "\n")
		return err
	})
	if err == nil && c.table != "" {
		err = vacuum(ctx, conn, c.table)
	}
	return cost, text, err
}

// vacuum takes the rows of a table away that were rolled back: the next list would walk over them.
func vacuum(ctx context.Context, conn *pgx.Conn, table string) error {
	_, err := conn.Exec(ctx, "vacuum "+pgx.Identifier{table}.Sanitize())
	return fault.Op("vacuum "+table, err)
}

// bind makes the call of the prepared query with the values of a class.
func bind(ctx context.Context, conn *pgx.Conn, q query, c class) (string, error) {
	args := make([]string, len(q.params))
	for i, p := range q.params {
		expr, ok := c.values[p]
		if !ok {
			expr, ok = always()[p]
		}
		if !ok {
			return "", fault.New(fault.Internal, "no value for @%s in class %s", p, c.name)
		}
		var value *string
		if err := conn.QueryRow(ctx, "select ("+expr+")::text").Scan(&value); err != nil {
			return "", err
		}
		args[i] = "null"
		if value != nil {
			args[i] = "'" + strings.ReplaceAll(*value, "'", "''") + "'"
		}
	}
	if len(args) == 0 {
		return "execute explained", nil
	}
	return "execute explained (" + strings.Join(args, ", ") + ")", nil
}

// node is what is read of a plan.
type node struct {
	Rows    int64  `json:"Actual Rows"`
	Hit     int64  `json:"Shared Hit Blocks"`
	Read    int64  `json:"Shared Read Blocks"`
	WAL     int64  `json:"WAL Bytes"`
	Records int64  `json:"WAL Records"`
	Index   string `json:"Index Name"`
	Plans   []node `json:"Plans"`
}

func (n node) buffers() int64 { return n.Hit + n.Read }

func (n node) indexes() []string {
	var out []string
	if n.Index != "" {
		out = append(out, n.Index)
	}
	for _, p := range n.Plans {
		out = append(out, p.indexes()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// explain runs a statement twice and returns the second plan: the first run fills the caches.
func explain(ctx context.Context, tx pgx.Tx, sql string) (node, error) {
	if n, err := explainOnce(ctx, tx, sql); err != nil {
		return n, err
	}
	return explainOnce(ctx, tx, sql)
}

func explainOnce(ctx context.Context, tx pgx.Tx, sql string) (node, error) {
	p, err := explainTimed(ctx, tx, sql)
	return p.Plan, err
}

// timed is a plan with the time of its execution in the server.
type timed struct {
	Plan         node
	Milliseconds float64 `json:"Execution Time"`
}

func explainTimed(ctx context.Context, tx pgx.Tx, sql string) (timed, error) {
	var data []byte
	if err := tx.QueryRow(ctx, "explain (analyze, buffers, wal, timing off, summary, format json) "+sql).Scan(&data); err != nil {
		return timed{}, err
	}
	var plans []timed
	if err := json.Unmarshal(data, &plans); err != nil || len(plans) != 1 {
		return timed{}, fmt.Errorf("%d plans can't be read: %w", len(plans), err)
	}
	return plans[0], nil
}

var errRollback = errors.New("roll back")

func rolledBack(ctx context.Context, conn pgxBeginner, fn func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errRollback
	})
	if errors.Is(err, errRollback) {
		return nil
	}
	return err
}

type pgxBeginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}
