package trace

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/fillable.sql
var sqlFillable string

// column is a column that can be given a value.
type column struct {
	Name     string
	Type     string // as SQL writes it
	Base     string // typname, of a domain the one below it
	Category string // pg_type.typcategory
	NotNull  bool
	Default  bool
	Max      int // characters, 0: any
	Check    string
	Parent   string // table that it refers to
	Key      string // and its column
}

// tableToFill is an empty table.
type tableToFill struct {
	Name    string // for SQL
	Shown   string
	Columns []column
}

var literal = regexp.MustCompile(`'((?:[^']|'')*)'`)

// fill gives every table that is empty rows: those without foreign keys first. What it can't fill, it tells.
func fill(ctx context.Context, conn *pgx.Conn, n int) ([]Unfilled, error) {
	rows, err := conn.Query(ctx, sqlFillable)
	if err != nil {
		return nil, err
	}
	todo, err := pgx.CollectRows(rows, pgx.RowToStructByPos[tableToFill])
	if err != nil || len(todo) == 0 {
		return nil, err
	}
	// Triggers would make rows of their own. Who may not turn them off fills with them.
	_, _ = conn.Exec(ctx, "set session_replication_role = replica")
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "reset session_replication_role") }()
	why := map[string]string{}
	for progress := true; progress; {
		progress = false
		for i := 0; i < len(todo); i++ {
			done, reason, err := fillTable(ctx, conn, todo[i], n)
			if err != nil {
				return nil, err
			}
			if why[todo[i].Shown] = reason; done {
				todo = slices.Delete(todo, i, i+1)
				i--
				progress = true
			}
		}
	}
	var out []Unfilled
	for _, t := range todo {
		out = append(out, Unfilled{t.Shown, why[t.Shown]})
	}
	return out, nil
}

// fillTable tries all columns first, then only those that need a value.
func fillTable(ctx context.Context, conn *pgx.Conn, t tableToFill, n int) (done bool, why string, err error) {
	for _, all := range []bool{true, false} {
		tag, err := conn.Exec(ctx, insert(t, n, all))
		if ctx.Err() != nil {
			return false, "", ctx.Err()
		}
		if err == nil && tag.RowsAffected() > 0 {
			return true, "", nil
		}
		if conn.IsClosed() {
			return false, "", err
		}
		if why = "a table that it refers to is empty"; err != nil {
			why = err.Error()
		}
	}
	return false, why, nil
}

// insert is the statement that fills a table. g counts its rows.
func insert(t tableToFill, n int, all bool) string {
	var names, values, from []string
	parents := map[string]string{}
	for _, c := range t.Columns {
		needed := c.NotNull && !c.Default
		if !needed && (!all || c.Default && c.Parent == "") {
			continue
		}
		names = append(names, c.Name)
		switch {
		case c.Parent == t.Name && !needed:
			values = append(values, "null")
		case c.Parent != "" && c.Parent != t.Name:
			alias := parents[c.Parent]
			if alias == "" {
				alias = fmt.Sprintf("p%d", len(parents))
				parents[c.Parent] = alias
				from = append(from, fmt.Sprintf(" join (select *, row_number() over () - 1 as platctl_n, count(*) over () as platctl_of from (select * from %s limit %d) x) %s on %s.platctl_n = (g - 1) %% %s.platctl_of",
					c.Parent, n, alias, alias, alias))
			}
			values = append(values, alias+"."+c.Key)
		default:
			values = append(values, c.value())
		}
	}
	into := ""
	if len(names) > 0 {
		into = " (" + strings.Join(names, ", ") + ")"
	}
	return fmt.Sprintf("insert into %s%s select %s from generate_series(1::bigint, %d) g%s on conflict do nothing",
		t.Name, into, strings.Join(values, ", "), n, strings.Join(from, ""))
}

// value is an expression of g for a column, as different for each g as the type allows.
func (c column) value() string {
	if m := literal.FindAllStringSubmatch(c.Check, -1); m != nil && c.Category == "S" {
		var all []string
		for _, x := range m {
			all = append(all, "'"+x[1]+"'")
		}
		return fmt.Sprintf("((array[%s])[1 + (g - 1) %% %d])::%s", strings.Join(all, ", "), len(all), c.Type)
	}
	return "(" + c.expression() + ")::" + c.Type
}

func (c column) expression() string {
	switch c.Base {
	case "int2":
		return "1 + (g - 1) % 32767"
	case "uuid":
		return "md5(g::text)"
	case "bytea":
		return "decode(md5(g::text), 'hex')"
	case "json", "jsonb":
		return "'{}'"
	case "xml":
		return "'<a/>'"
	case "inet", "cidr":
		return "host('10.0.0.0'::inet + g)"
	case "timestamptz", "timestamp":
		return "timestamp '2026-01-01' + g * interval '1 minute'"
	case "date":
		return "date '2000-01-01' + (g % 20000)::int"
	case "time", "timetz":
		return "time '00:00' + g * interval '1 second'"
	case "int4range", "int8range", "numrange":
		return fmt.Sprintf("'[' || g || ',' || g + 1 || ')'")
	case "tsrange", "tstzrange":
		return "format('[%s,%s)', timestamp '2026-01-01' + g * interval '1 minute', timestamp '2026-01-01' + (g + 1) * interval '1 minute')"
	case "daterange":
		return "format('[%s,%s)', date '2000-01-01' + (g % 20000)::int, date '2000-01-02' + (g % 20000)::int)"
	case "point":
		return "point(g, g)"
	}
	switch c.Category {
	case "N":
		return "g"
	case "B":
		return "g % 2 = 0"
	case "E":
		return fmt.Sprintf("(enum_range(null::%s))[1 + (g - 1) %% cardinality(enum_range(null::%s))]", c.Type, c.Type)
	case "A":
		return "'{}'"
	case "T":
		return "g * interval '1 second'"
	case "S":
		if c.Max > 0 {
			return fmt.Sprintf("right('v' || g, %d)", c.Max)
		}
		return "'v' || g"
	}
	return "g::text"
}
