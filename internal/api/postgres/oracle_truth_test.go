package postgres_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
)

// outcome is what running one statement came to.
type outcome struct {
	state   string // SQLSTATE
	types   string
	count   int64
	nulls   string              // columns that were NULL
	marked  bool                // a value that only the new schema knows came back
	written map[string]*big.Int // table.column -> the sum of what was added, less what was removed
}

// marker is a value that a release can't know: a new label.
const marker = "zz_new"

// truth runs the calls one after the other, each on the same rows, as the role, and tells what came of each.
func truth(t testing.TB, url, role string, calls []call) []outcome {
	t.Helper()
	conn := dial(t, url)
	defer conn.Close(t.Context())
	command(t, conn, "set statement_timeout = '10s'; begin")
	reset := sequences(t, conn)
	d := &digester{t: t, conn: conn, columns: map[string][]string{}, before: map[string]map[string]*big.Int{}}
	out := make([]outcome, len(calls))
	for _, c := range calls {
		for _, table := range slices.Concat(c.statement.Inserts, c.statement.Updates, c.statement.Deletes) {
			d.remember(table)
		}
	}
	for i, c := range calls {
		tables := slices.Concat(c.statement.Inserts, c.statement.Updates, c.statement.Deletes)
		again := "rollback to savepoint call; "
		if i == 0 {
			again = ""
		}
		if len(tables)+len(c.statement.Indirect)+len(c.statement.Functions) > 0 {
			again += reset
		}
		command(t, conn, again+"savepoint call; set local role "+role)
		res := perform(t.Context(), conn, c)
		o := outcome{state: pg.State(res.Err), count: res.CommandTag.RowsAffected(), written: map[string]*big.Int{}}
		if res.Err != nil && o.state == "" {
			t.Fatalf("%s: %v", c.statement.Name, res.Err)
		}
		if res.Err == nil {
			o.rows(res.Rows, c.statement)
			for _, f := range res.FieldDescriptions {
				o.types += fmt.Sprintf("%s %d,", f.Name, plainType(f.DataTypeOID))
			}
			if len(tables) > 0 {
				command(t, conn, "reset role")
			}
			for _, table := range tables {
				d.changes(table, o.written)
			}
		}
		out[i] = o
	}
	return out
}

// plainType treats varchar as text: a client reads both alike.
func plainType(oid uint32) uint32 {
	if oid == 1043 {
		return 25
	}
	return oid
}

func (o *outcome) rows(rows [][][]byte, s manifest.Statement) {
	nulls := map[string]bool{}
	for _, row := range rows {
		for i, v := range row {
			if v == nil && i < len(s.Columns) && s.Columns[i].From != "" {
				nulls[s.Columns[i].Name] = true
			}
			o.marked = o.marked || strings.Contains(string(v), marker)
		}
	}
	for _, c := range s.Columns {
		if nulls[c.Name] {
			o.nulls += c.Name + ","
		}
	}
}

// sequences returns SQL that puts every sequence where it is now: what one statement takes must not change the next.
func sequences(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "select schemaname, sequencename, coalesce(last_value, 1000) from pg_sequences where schemaname = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	var schema, name string
	var last int64
	if _, err := pgx.ForEachRow(rows, []any{&schema, &name, &last}, func() error {
		parts = append(parts, fmt.Sprintf("setval('%s.%s', %d)", schema, name, last))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(parts) == 0 {
		return ""
	}
	return "select " + strings.Join(parts, ", ") + "; "
}

// digester sums up the rows of tables, a column at a time. Times are left out: two runs have two.
type digester struct {
	t       testing.TB
	conn    *pgx.Conn
	columns map[string][]string
	before  map[string]map[string]*big.Int
}

func (d *digester) remember(table string) {
	if d.before[table] == nil {
		d.before[table] = d.sums(table)
	}
}

func (d *digester) sums(table string) map[string]*big.Int {
	d.t.Helper()
	out := map[string]*big.Int{}
	if _, known := d.columns[table]; !known {
		rows, err := d.conn.Query(d.t.Context(), `select quote_ident(attname) from pg_attribute
			where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and atttypid not in ('timestamptz'::regtype, 'jsonb'::regtype)`, table)
		if err != nil {
			d.t.Fatal(err)
		}
		if d.columns[table], err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			d.t.Fatal(err)
		}
	}
	columns := d.columns[table]
	if len(columns) == 0 {
		return out // it is gone
	}
	list := []string{"count(*)::text"}
	for _, c := range columns {
		list = append(list, fmt.Sprintf("coalesce(sum(hashtextextended(%s::text, 0)::numeric), 0)::text", c))
	}
	res := d.conn.PgConn().ExecParams(d.t.Context(), "select "+strings.Join(list, ", ")+" from "+table, nil, nil, nil, nil).Read()
	if res.Err != nil {
		d.t.Fatal(table, res.Err)
	}
	for i, v := range res.Rows[0] {
		name := "rows"
		if i > 0 {
			name = columns[i-1]
		}
		out[table+"."+name], _ = new(big.Int).SetString(string(v), 10)
	}
	return out
}

func (d *digester) changes(table string, into map[string]*big.Int) {
	d.t.Helper()
	for name, now := range d.sums(table) {
		if was := d.before[table][name]; was != nil {
			into[name] = new(big.Int).Sub(now, was)
		}
	}
}

// hazard says what became worse for a call, empty where nothing did. unsteady names the columns that two runs on the same schema
// have different values in.
func hazard(c call, before, after outcome, unsteady map[string]bool) string {
	switch {
	case before.state != "":
		return ""
	case after.state != "":
		return c.statement.Name + " fails with " + after.state
	case after.types != before.types:
		return c.statement.Name + " returns other columns"
	case after.count != before.count:
		return fmt.Sprintf("%s has %d rows instead of %d", c.statement.Name, after.count, before.count)
	case after.nulls != before.nulls:
		return c.statement.Name + " returns NULL in " + after.nulls
	case after.marked && !before.marked:
		return c.statement.Name + " returns a value that the release can't know"
	}
	for column, n := range after.written {
		if was := before.written[column]; was != nil && was.Cmp(n) != 0 && !unsteady[c.statement.Name+" "+column] {
			return c.statement.Name + " writes something else to " + column
		}
	}
	return ""
}
