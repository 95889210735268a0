package compat

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

//go:embed sql/applied.sql
var sqlApplied string

// applied returns the migrations that the ledger has above a version, those that stand halfway too.
func applied(ctx context.Context, conn *pgx.Conn, above int64) ([]Migration, error) {
	rows, err := conn.Query(ctx, sqlApplied, above)
	out := []Migration{}
	if err == nil {
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Migration, err error) {
			err = row.Scan(&m.Version, &m.Name, &m.Phase, &m.text)
			return m, err
		})
	}
	if pg.Is(err, pg.UndefinedTable) {
		return []Migration{}, nil
	}
	return out, databaseFault(err, "the ledger platctl.migrations can't be read")
}

// ID is the migration's number and name.
func (m Migration) ID() string { return strconv.FormatInt(m.Version, 10) + "_" + m.Name }

// declared weighs what the migrations say of themselves. The catalogue shows what a file does to the schema, and nothing of what it
// does to rows: there its phase counts. One that says expand or backfill vouches for the release that runs; one that says
// contract, or nothing, doesn't.
func (j *judge) declared() {
	for _, m := range j.report.Above {
		if m.Phase == "expand" || m.Phase == "backfill" {
			continue
		}
		says := "doesn't declare its phase"
		if m.Phase != "" {
			says = "is declared " + m.Phase
		}
		for _, r := range rowsChanged(m.text) {
			for _, relation := range j.usage.called(r) {
				j.report.add(Finding{Verdict: Unproven, Layer: Declared, Object: relation, Statements: j.usage.anyOf(relation), Migrations: []string{m.ID()},
					Reason: fmt.Sprintf("%s %s and changes rows of %s, which the catalogue doesn't show", m.ID(), says, relation)})
			}
			if r == anything {
				j.report.add(Finding{Verdict: Unproven, Layer: Declared, Migrations: []string{m.ID()},
					Reason: fmt.Sprintf("%s %s and runs code that may change rows, which the catalogue doesn't show", m.ID(), says)})
			}
		}
	}
}

// called returns the relations that a name without its schema can mean.
func (u *usage) called(name string) []string {
	var out []string
	for r := range u.columns {
		if unqualified(r) == name {
			out = append(out, r)
		}
	}
	slices.Sort(out)
	return out
}

// rowsChanged names the tables whose rows a text of SQL changes, "*" where it runs code. Bodies of functions are strings, and don't
// run.
func rowsChanged(text string) []string {
	seen := map[string]bool{}
	tokens := words(sqltoken.Split(text))
	for i := range tokens {
		if name := tokens.name(i); name != "" && tokens.verb(i) != "" {
			seen[name] = true
		}
		if (i == 0 || tokens.is(i-1, ";")) && tokens.is(i, "do", "call", "select") {
			seen[anything] = true
		}
	}
	return keys(seen)
}

// blame names the migrations that can have done what was found: those whose text names the object.
func (j *judge) blame() {
	for i := range j.report.Findings {
		f := &j.report.Findings[i]
		if len(f.Migrations) == 0 && f.Verdict != Inconclusive {
			f.Migrations = suspects(j.report.Above, f.Object)
		}
	}
}

// suspects returns the migrations that name the relation and the part of it that has changed; without such, those that name either.
func suspects(above []Migration, object string) []string {
	if object == "" {
		return nil
	}
	var both, either []string
	part, whole := unqualified(functionName(object)), unqualified(parent(object))
	for _, m := range above {
		words := map[string]bool{}
		for _, t := range sqltoken.Split(m.text) {
			words[quoteIdent(t.Text)] = true
		}
		switch {
		case words[part] && words[whole]:
			both = append(both, m.ID())
		case words[part] || words[whole]:
			either = append(either, m.ID())
		}
	}
	if len(both) > 0 {
		return both
	}
	return either
}
