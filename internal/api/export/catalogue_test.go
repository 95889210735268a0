package export_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/export"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// catalogue returns every column of every table, with whether it points at users.
func catalogue(t *testing.T) map[string]bool {
	t.Helper()
	pool, err := pg.Open(t.Context(), pgtest.New(t, apitest.Template(t)), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	rows, err := pool.Query(t.Context(), `select r.relname || '.' || a.attname, exists (select 1 from pg_constraint c
			where c.contype = 'f' and c.conrelid = r.oid and c.confrelid = 'users'::regclass and a.attnum = any (c.conkey))
		from pg_class r join pg_attribute a on a.attrelid = r.oid
		where r.relkind in ('r', 'p') and r.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped`)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	var column string
	var people bool
	if _, err := pgx.ForEachRow(rows, []any{&column, &people}, func() error { out[column] = people; return nil }); err != nil || len(out) < 50 {
		t.Fatalf("%d columns, %v", len(out), err)
	}
	return out
}

// Every table is in an export or excluded with a reason; so is every column of the tables that are in it, and every column that
// points at somebody. Nobody adds one and forgets whose it is.
func TestEverythingIsExportedOrExcluded(t *testing.T) {
	t.Parallel()
	told, tables, owners := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range export.Sections() {
		table, _, _ := strings.Cut(s.Owner, ".")
		tables[table], owners[s.Owner] = true, true
		for _, c := range s.Columns {
			told[table+"."+c] = true
		}
	}
	unused := export.Excluded()
	excluded := maps.Clone(unused)
	for column, people := range catalogue(t) {
		table, _, _ := strings.Cut(column, ".")
		whole, one := excluded[table] != "", excluded[column] != ""
		delete(unused, table)
		delete(unused, column)
		switch {
		case whole && tables[table]:
			t.Errorf("%s is excluded as a whole and has a section", table)
		case whole || owners[column]:
		case people && !one:
			t.Errorf("%s points at people and is neither the owner of a section nor excluded", column)
		case tables[table] && told[column] == one && !people:
			t.Errorf("%s is told: %v, excluded: %v", column, told[column], one)
		case !tables[table] && !people && !one && !pointsAtPeople(table, excluded):
			t.Errorf("%s is in no section and %s is not excluded", column, table)
		}
	}
	for what := range unused {
		t.Errorf("%s is excluded and does not exist", what)
	}
}

// pointsAtPeople says whether a table is excluded by its columns that point at people.
func pointsAtPeople(table string, excluded map[string]string) bool {
	for what := range excluded {
		if strings.HasPrefix(what, table+".") {
			return true
		}
	}
	return false
}
