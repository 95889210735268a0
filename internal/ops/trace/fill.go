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
	Max      int    // characters, 0: any
	Check    string // what the table demands of this column alone
	Words    string // its constraints, for the words that they allow
	Parent   string // table that it refers to
	Key      string // and its column
	FK       string // and by which constraint

	value string // an expression of g
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
	for i := range todo {
		if err := choose(ctx, conn, &todo[i]); err != nil {
			return nil, err
		}
	}
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
			alias := parents[c.FK]
			if alias == "" { // each constraint begins at another row: who follows whom is two people
				alias = fmt.Sprintf("p%d", len(parents))
				from = append(from, fmt.Sprintf(" join (select *, row_number() over () - 1 as platctl_n, count(*) over () as platctl_of from (select * from %s limit %d) x) %s on %s.platctl_n = (g - 1 + %d) %% %s.platctl_of",
					c.Parent, n, alias, alias, len(parents), alias))
				parents[c.FK] = alias
			}
			values = append(values, alias+"."+c.Key)
		default:
			values = append(values, c.value)
		}
	}
	into := ""
	if len(names) > 0 {
		into = " (" + strings.Join(names, ", ") + ")"
	}
	return fmt.Sprintf("insert into %s%s select %s from generate_series(1::bigint, %d) g%s on conflict do nothing",
		t.Name, into, strings.Join(values, ", "), n, strings.Join(from, ""))
}

// choose gives each column the first candidate that its type and the table's constraint on it take.
func choose(ctx context.Context, conn *pgx.Conn, t *tableToFill) error {
	for i := range t.Columns {
		c := &t.Columns[i]
		all := c.candidates()
		c.value = "(" + all[0] + ")::" + c.Type
		if c.Parent != "" || len(all) == 1 || c.Check == "" && c.Words == "" && c.Category != "U" {
			continue
		}
		check := c.Check
		if check == "" { // of a domain, or what its type takes
			check = c.Name + " is not null"
		}
		for _, e := range all {
			var ok bool
			v := "(" + e + ")::" + c.Type
			err := conn.QueryRow(ctx, fmt.Sprintf("select bool_and(coalesce(%s, true)) from (select %s as %s from generate_series(1::bigint, 20) g) x", check, v, c.Name)).Scan(&ok)
			if ctx.Err() != nil || conn.IsClosed() {
				return err
			}
			if err == nil && ok {
				c.value = v
				break
			}
		}
	}
	return nil
}

// candidates are expressions of g for a column, as different for each g as the type allows; the likeliest first.
func (c *column) candidates() []string {
	switch c.Base {
	case "int2":
		return []string{"1 + (g - 1) % 32767", "g % 10", "g % 4", "g % 2", "- (g % 10)", "1", "0"}
	case "uuid":
		return []string{"md5(g::text)"}
	case "bytea":
		return []string{"sha256(g::text::bytea)", "decode(md5(g::text), 'hex')", "''"}
	case "json", "jsonb":
		return []string{"'{}'", "'[]'"}
	case "inet", "cidr":
		return []string{"host('10.0.0.0'::inet + g)"}
	case "point":
		return []string{"point(g, g)"}
	}
	switch c.Category {
	case "D":
		return []string{c.moment()}
	case "R":
		return []string{c.span()}
	case "N":
		return []string{"g", "g % 100", "g % 10", "g % 4", "g % 2", "- g", "1", "0"}
	case "B":
		return []string{"g % 2 = 0", "true", "false"}
	case "E":
		return []string{fmt.Sprintf("(enum_range(null::%s))[1 + (g - 1) %% cardinality(enum_range(null::%s))]", c.Type, c.Type)}
	case "A":
		return []string{"'{}'"}
	case "T":
		return []string{"g * interval '1 second'"}
	case "S":
		return c.strings()
	}
	return []string{"g::text", "'1:1:'", "'0/1'", "'<a/>'", "'(1,1)'", "'08:00:2b:01:02:03'", "''"}
}

// strings are texts; first those that a constraint names.
func (c *column) strings() []string {
	var out, words []string
	for _, m := range literal.FindAllStringSubmatch(c.Words, -1) {
		words = append(words, "'"+m[1]+"'")
	}
	if len(words) > 0 {
		out = append(out, fmt.Sprintf("(array[%s])[1 + (g - 1) %% %d]", strings.Join(words, ", "), len(words)))
		if len(words) > 1 {
			out = append(out, words...)
		}
	}
	plain := "'v' || lpad(g::text, 7, '0')"
	if c.Max > 0 && c.Max < 8 {
		plain = fmt.Sprintf("right('0000000' || g, %d)", c.Max)
	}
	return append(out, plain, "chr((65 + g % 26)::int) || chr((65 + g / 26 % 26)::int) || chr((65 + g / 676 % 26)::int)",
		"encode(sha256(g::text::bytea), 'hex')", "md5(g::text)", "'v' || g || '@example.com'", "'https://example.com/' || g", "'+4917' || lpad(g::text, 8, '0')", "g::text", "''")
}

// moment is a value of a date or a time.
func (c *column) moment() string {
	switch c.Base {
	case "date":
		return "date '2000-01-01' + (g % 20000)::int"
	case "time", "timetz":
		return "time '00:00' + g * interval '1 second'"
	}
	return "timestamp '2026-01-01' + g * interval '1 minute'"
}

// span is a value of a range; no two overlap.
func (c *column) span() string {
	switch c.Base {
	case "tsrange", "tstzrange":
		return "format('[%s,%s)', timestamp '2026-01-01' + g * interval '1 minute', timestamp '2026-01-01' + (g + 1) * interval '1 minute')"
	case "daterange":
		return "format('[%s,%s)', date '2000-01-01' + (g % 20000)::int, date '2000-01-02' + (g % 20000)::int)"
	}
	return "'[' || g || ',' || g + 1 || ')'"
}
