package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/platctl/platctl/internal/base/manifest"
)

// call is a statement of the contract with parameters, as text, that it runs with.
type call struct {
	statement manifest.Statement
	params    []string // names
	args      []string
	effect    bool // it returned or changed rows
}

// chooser finds parameters for statements in the rows of a database: those of one row that the statement may be about, else values
// of columns with the same name anywhere, else something of the type.
type chooser struct {
	rows map[string][]map[string]string // table -> rows, as text
	pool map[string][]string            // column -> values
	rand *rand.Rand
}

const sampled = 40 // rows of each table

func newChooser(t testing.TB, conn *pgx.Conn, tables []string) *chooser {
	t.Helper()
	c := &chooser{rows: map[string][]map[string]string{}, pool: map[string][]string{}, rand: rand.New(rand.NewPCG(1, 2))}
	for _, table := range tables {
		res := conn.PgConn().ExecParams(t.Context(), fmt.Sprintf("select * from %s order by random() limit %d", table, sampled), nil, nil, nil, nil).Read()
		if res.Err != nil {
			t.Fatal(table, res.Err)
		}
		for _, values := range res.Rows {
			row := map[string]string{}
			for i, f := range res.FieldDescriptions {
				if values[i] != nil {
					row[f.Name] = string(values[i])
					c.pool[f.Name] = append(c.pool[f.Name], string(values[i]))
				}
			}
			c.rows[table] = append(c.rows[table], row)
		}
	}
	c.rules(t, conn)
	return c
}

const sqlRules = `select a.attname, coalesce(f.attname, ''), coalesce(c.confrelid::regclass::text, ''), pg_get_constraintdef(c.oid)
	from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
	left join pg_attribute f on f.attrelid = c.confrelid and f.attnum = c.confkey[1]
	where c.connamespace = 'public'::regnamespace and c.contype in ('c', 'f') order by 1, 4`

var label = regexp.MustCompile("'([a-z_]+)'::text")

// rules adds values that the schema names: labels in a CHECK, and what a foreign key points at.
func (c *chooser) rules(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	rows, err := conn.Query(t.Context(), sqlRules)
	if err != nil {
		t.Fatal(err)
	}
	var column, other, table, def string
	if _, err := pgx.ForEachRow(rows, []any{&column, &other, &table, &def}, func() error {
		if strings.Contains(def, "ANY (ARRAY[") {
			for _, m := range label.FindAllStringSubmatch(def, -1) {
				c.pool[column] = append(c.pool[column], m[1])
			}
		}
		for _, row := range c.rows["public."+table] {
			if v, ok := row[other]; ok {
				c.pool[column] = append(c.pool[column], v)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func (c *chooser) one(list []string) string { return list[c.rand.IntN(len(list))] }

// args chooses one set of arguments.
func (c *chooser) args(s manifest.Statement, params []string) []string {
	var tables []string
	for _, u := range s.Uses {
		if len(c.rows[u.Relation]) > 0 && u.Columns != nil {
			tables = append(tables, u.Relation)
		}
	}
	table, row := "", map[string]string{}
	if len(tables) > 0 {
		table = c.one(tables)
		row = c.rows[table][c.rand.IntN(len(c.rows[table]))]
	}
	out := make([]string, len(s.Params))
	for i, typ := range s.Params {
		name := ""
		if i < len(params) {
			name = params[i]
		}
		out[i] = c.arg(name, typ, table, row)
	}
	return out
}

func (c *chooser) arg(name, typ, table string, row map[string]string) string {
	if base, ok := strings.CutSuffix(typ, "[]"); ok {
		n := 1 + c.rand.IntN(3)
		if c.rand.IntN(6) == 0 {
			n = 0
		}
		list := make([]string, n)
		for i := range list {
			list[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.arg(strings.TrimSuffix(name, "s"), base, table, row)) + `"`
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	if c.rand.IntN(10) < 7 {
		if v, ok := row[name]; ok && fits(typ, v) {
			return v
		}
		short := strings.TrimSuffix(table[strings.LastIndex(table, ".")+1:], "s")
		if v, ok := row["id"]; ok && (name == short+"_id" || name == short) && fits(typ, v) {
			return v
		}
	}
	if c.rand.IntN(10) < 7 {
		if v := c.likely(name, typ); v != "" {
			return v
		}
	}
	return c.one(defaults(typ))
}

// likely is a value by the parameter's name.
func (c *chooser) likely(name, typ string) string {
	switch {
	case strings.HasPrefix(name, "before"):
		return "9223372036854775807"
	case strings.HasPrefix(name, "after"), name == "skip":
		return "0"
	case strings.Contains(name, "page_size"), strings.Contains(name, "limit"), strings.HasPrefix(name, "at_most"), strings.HasPrefix(name, "max"):
		return "100"
	case strings.HasPrefix(name, "min"):
		return "0"
	}
	people := []string{"viewer_id", "person", "user_id", "author_id", "actor_id", "owner_id", "reporter_id", "buyer_id", "blocker_id", "follower_id"}
	list := c.pool[name]
	if len(list) == 0 && slices.Contains(people, name) {
		list = c.pool["user_id"]
	}
	for range 4 {
		if len(list) > 0 {
			if v := c.one(list); fits(typ, v) {
				return v
			}
		}
	}
	return ""
}

// fits says whether a text can be of the type.
func fits(typ, v string) bool {
	digits := strings.Trim(v, "-0123456789") == ""
	switch typ {
	case "bigint", "integer", "smallint":
		return digits && v != ""
	case "boolean":
		return v == "t" || v == "f"
	case "timestamp with time zone":
		return len(v) > 18 && v[4] == '-' && v[7] == '-'
	case "bytea":
		return strings.HasPrefix(v, `\x`)
	case "jsonb", "json":
		return strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[")
	case "double precision", "numeric":
		return digits && v != ""
	}
	return true
}

func defaults(typ string) []string {
	switch typ {
	case "bigint":
		return []string{"1", "2", "3", "5", "7", "0", "100", "9223372036854775807"}
	case "integer", "smallint":
		return []string{"1", "2", "5", "20", "0", "100"}
	case "boolean":
		return []string{"t", "f"}
	case "timestamp with time zone":
		return []string{"2000-01-01", "2100-01-01", "now"}
	case "bytea":
		return []string{`\x` + strings.Repeat("ab", 32), `\x` + strings.Repeat("cd", 16)}
	case "jsonb", "json":
		return []string{"{}", "[]", `{"id":1}`}
	case "double precision", "numeric":
		return []string{"1", "3600", "0.5"}
	}
	return []string{"x", "post", "user", "spam", "EUR", "dismissed", "abc_def", "a@example.org", strings.Repeat("ab", 32)}
}

// perform runs a statement and returns what came of it.
func perform(ctx context.Context, conn *pgx.Conn, c call) *pgconn.Result {
	args := make([][]byte, len(c.args))
	for i, a := range c.args {
		args[i] = []byte(a)
	}
	return conn.PgConn().ExecParams(ctx, c.statement.SQL, args, nil, nil, nil).Read()
}

func command(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if err := conn.PgConn().Exec(t.Context(), sql).Close(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// find tries sets of arguments until one has an effect, and returns the best. The caller has a transaction open.
func (c *chooser) find(t testing.TB, conn *pgx.Conn, s manifest.Statement, params []string, tries int) (best call, ran bool) {
	t.Helper()
	for range tries {
		try := call{statement: s, params: params, args: c.args(s, params)}
		command(t, conn, "savepoint try")
		res := perform(t.Context(), conn, try)
		command(t, conn, "rollback to savepoint try")
		if res.Err != nil {
			continue
		}
		try.effect = len(res.Rows) > 0 || len(res.FieldDescriptions) == 0 && res.CommandTag.RowsAffected() > 0
		if !ran || try.effect {
			best, ran = try, true
		}
		if try.effect || len(s.Params) == 0 {
			break
		}
	}
	return best, ran
}
