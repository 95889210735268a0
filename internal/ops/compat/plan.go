package compat

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// planned is what the server says of one statement: its types, and the relations of its generic plan.
type planned struct {
	name      string // under which it is prepared
	desc      *pgconn.StatementDescription
	relations []string
	inserts   []string
	updates   []string
	deletes   []string
	conflicts []string
}

// plan prepares a statement under a name and plans it for parameters that aren't known. It runs nothing. The session must have
// plan_cache_mode = force_generic_plan: EXPLAIN (GENERIC_PLAN), which PostgreSQL 15 hasn't got, would need the parameters' types
// in the text.
func plan(ctx context.Context, conn *pgx.Conn, name, sql string) (*planned, error) {
	desc, err := conn.PgConn().Prepare(ctx, name, sql, nil)
	if err != nil {
		return nil, err
	}
	p := &planned{name: name, desc: desc}
	explain := "explain (verbose, costs off, format json) execute " + name
	if n := len(desc.ParamOIDs); n > 0 {
		explain += "(" + strings.TrimSuffix(strings.Repeat("null,", n), ",") + ")"
	}
	results, err := conn.PgConn().Exec(ctx, explain).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		for _, row := range r.Rows {
			if len(row) > 0 {
				p.read(row[0])
			}
		}
	}
	for _, list := range []*[]string{&p.relations, &p.inserts, &p.updates, &p.deletes, &p.conflicts} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return p, nil
}

// read takes one EXPLAIN document. A statement that has no plan, such as NOTIFY, has none here.
func (p *planned) read(doc []byte) {
	var v any
	if json.Unmarshal(doc, &v) == nil {
		p.walk(v)
	}
}

func (p *planned) walk(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			p.walk(x)
		}
	case map[string]any:
		p.node(v)
		for _, x := range v {
			p.walk(x)
		}
	}
}

func (p *planned) node(n map[string]any) {
	relation, _ := n["Relation Name"].(string)
	schema, _ := n["Schema"].(string)
	if relation == "" || schema == "" {
		return
	}
	full := quoteIdent(schema) + "." + quoteIdent(relation)
	p.relations = append(p.relations, full)
	operation, _ := n["Operation"].(string)
	switch operation {
	case "Insert":
		p.inserts = append(p.inserts, full)
	case "Update":
		p.updates = append(p.updates, full)
	case "Delete":
		p.deletes = append(p.deletes, full)
	case "Merge":
		p.inserts, p.updates, p.deletes = append(p.inserts, full), append(p.updates, full), append(p.deletes, full)
	}
	if how, _ := n["Conflict Resolution"].(string); how == "UPDATE" {
		p.updates = append(p.updates, full)
	}
	arbiters, _ := n["Conflict Arbiter Indexes"].([]any)
	for _, a := range arbiters {
		if index, ok := a.(string); ok {
			p.conflicts = append(p.conflicts, quoteIdent(schema)+"."+quoteIdent(index))
		}
	}
}

// quoteIdent quotes a name as the catalogue does, but keywords, whose quotes plain takes away everywhere.
func quoteIdent(s string) string {
	for i, c := range []byte(s) {
		if c == '_' || c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9') {
			continue
		}
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

var quotedKeyword = regexp.MustCompile(`"([a-z_][a-z0-9_]*)"`)

// plain takes the quotes from names that need them only for being keywords: EXPLAIN tells them without.
func plain(s string) string { return quotedKeyword.ReplaceAllString(s, "$1") }

func prepared(i int) string { return "platctl_" + strconv.Itoa(i) }
