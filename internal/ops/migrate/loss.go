package migrate

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

//go:embed sql/named.sql
var sqlNamed string

// Loss is data that a statement throws away.
type Loss struct {
	What  string `json:"what"`  // "table", "column", "schema", "rows" (of a TRUNCATE, DELETE or UPDATE), "unknown" (a block of code)
	Name  string `json:"name"`  // as the statement says it; a column as table.column
	Rows  int64  `json:"rows"`  // of the table, as PostgreSQL estimates it; -1: not known
	Bytes int64  `json:"bytes"` // of the table with its indexes; -1: not known
	Line  int    `json:"line"`  // of the way down

	table string
}

// losses returns what statements throw away, as far as their text tells. A view, an index or a function can be made again.
func losses(statements []Statement) []Loss {
	out := []Loss{}
	for _, st := range statements {
		for _, l := range lossesOf(sqltoken.Split(st.SQL)) {
			l.Line, l.Rows, l.Bytes = st.Line, -1, -1
			out = append(out, l)
		}
	}
	return out
}

func lossesOf(tokens []sqltoken.Token) []Loss {
	r := &reader{tokens: tokens}
	switch {
	case r.take("drop", "table"), r.take("drop", "foreign", "table"):
		return r.names("table")
	case r.take("drop", "materialized", "view"):
		return r.names("materialized view")
	case r.take("drop", "sequence"):
		return r.names("sequence")
	case r.take("drop", "schema"):
		return r.names("schema")
	case r.take("drop", "type"), r.take("drop", "domain"):
		return r.names("type") // CASCADE takes the columns along
	case r.take("truncate"):
		r.take("table")
		return r.names("rows")
	case r.take("delete", "from"), r.take("update"):
		return r.names("rows")[:1]
	case r.take("alter", "table"), r.take("alter", "foreign", "table"):
		return r.columns()
	case r.take("do"), r.take("call"), r.take("select"), r.take("with"):
		return []Loss{{What: "unknown", Name: strings.ToUpper(tokens[0].Text)}}
	}
	return nil
}

// reader walks over the tokens of a statement.
type reader struct {
	tokens []sqltoken.Token
	at     int
}

// take passes words if they come next.
func (r *reader) take(words ...string) bool {
	for i, w := range words {
		if r.at+i >= len(r.tokens) || !r.tokens[r.at+i].Is(w) {
			return false
		}
	}
	r.at += len(words)
	return true
}

// name reads a name with its schema, empty where none comes.
func (r *reader) name() string {
	var b strings.Builder
	for r.at < len(r.tokens) && r.tokens[r.at].Name() {
		t := r.tokens[r.at]
		if r.at++; t.Kind == sqltoken.Quoted {
			b.WriteString(pgx.Identifier{t.Text}.Sanitize())
		} else {
			b.WriteString(t.Text)
		}
		if !r.take(".") {
			break
		}
		b.WriteByte('.')
	}
	return b.String()
}

// names reads a list of names; there is always one, which may be empty.
func (r *reader) names(what string) []Loss {
	r.take("if", "exists")
	var out []Loss
	for {
		r.take("only")
		n := r.name()
		r.take("*")
		out = append(out, Loss{What: what, Name: n, table: n})
		if !r.take(",") {
			return out
		}
	}
}

// columns reads what ALTER TABLE drops.
func (r *reader) columns() []Loss {
	table := r.names("table")[0].table
	var out []Loss
	for depth := 0; r.at < len(r.tokens); {
		switch {
		case depth == 0 && r.take("drop"):
			r.take("column")
			r.take("if", "exists")
			if c := r.name(); c != "" && !isKeyword(c) {
				out = append(out, Loss{What: "column", Name: table + "." + c, table: table})
			}
			continue
		case r.tokens[r.at].Is("("):
			depth++
		case r.tokens[r.at].Is(")"):
			depth--
		}
		r.at++
	}
	return out
}

// isKeyword tells ALTER TABLE … DROP CONSTRAINT, and ALTER COLUMN … DROP NOT NULL and the like, from the name of a column. A column
// of such a name has to be quoted, or says COLUMN before it.
func isKeyword(w string) bool {
	switch w {
	case "constraint", "not", "default", "identity", "expression":
		return true
	}
	return false
}

// measure asks how much data each loss is about, by the catalogue's estimates.
func measure(ctx context.Context, db Querier, all []Loss) error {
	var names []string
	for _, l := range all {
		names = append(names, l.table)
	}
	tables, err := sizes(ctx, db, names)
	if err == nil {
		estimate(all, tables)
	}
	return err
}

// estimate fills in the sizes of what is lost. A schema or a type is more than a table.
func estimate(all []Loss, tables []Table) {
	for i := range all {
		l := &all[i]
		if k := slices.IndexFunc(tables, func(t Table) bool { return t.Name == l.table }); k >= 0 && l.What != "schema" && l.What != "type" {
			l.Rows, l.Bytes = tables[k].Rows, tables[k].Bytes
		}
	}
}

// sizes tells which of the names are tables, and how large, in one query and without a lock.
func sizes(ctx context.Context, db Querier, names []string) ([]Table, error) {
	slices.Sort(names)
	rows, err := db.Query(ctx, sqlNamed, slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" }))
	if err != nil {
		return nil, databaseFault(err, "the sizes of tables can't be asked for")
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Table])
	if err != nil {
		return nil, databaseFault(err, "the sizes of tables can't be asked for")
	}
	return tables, nil
}
