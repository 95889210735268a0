package trace

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// A traced file sees the session that it sees in production: every setting but which notices are sent, before and after a file that
// changes some.
func TestTheSessionIsProductions(t *testing.T) {
	t.Parallel()
	files := folder("1_first.sql", up+"-- platctl: lock_timeout 700ms\n-- platctl: statement_timeout 1m\nset search_path = pg_catalog;\nset work_mem = '1MB';\n"+
		"create table public.s1 as select name, setting from pg_settings where name <> 'client_min_messages';",
		"2_next.sql", up+"create table s2 as select name, setting from pg_settings where name <> 'client_min_messages';",
		"3_steps.sql", noTx+"create table s3 as select name, setting from pg_settings where name <> 'client_min_messages';")
	var got [2][]string
	for i := range got {
		url := server(t)
		conn := connect(t, url)
		o := migrate.Options{}
		if i == 1 {
			tr := newTracer(connect(t, url), url)
			defer tr.gates.end()
			o.Watch, o.Session = tr, []func(*pgx.ConnConfig){tr.session}
		}
		m, err := migrate.New(files, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Up(t.Context(), url, 0); err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(t.Context(), "select '1 ' || name || ' ' || setting from s1 union all select '2 ' || name || ' ' || setting from s2 union all select '3 ' || name || ' ' || setting from s3 order by 1")
		if err == nil {
			got[i], err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got[0]) < 900 || !slices.Contains(got[0], "1 lock_timeout 700") {
		t.Fatalf("%d settings", len(got[0]))
	}
	for i := range min(len(got[0]), len(got[1])) {
		if got[0][i] != got[1][i] {
			t.Errorf("untraced %s, traced %s", got[0][i], got[1][i])
		}
	}
}

// The project's own migrations are traced to the end, nearly all of their tables are filled, and what is wrong with their ways down is
// known: two of them make a constraint again that isn't the one there was.
func TestTheProjectsOwnMigrations(t *testing.T) {
	t.Parallel()
	rep := mustTrace(t, Options{Rows: 30, Files: postgres.Migrations()})
	lossy, unfilled := []int64{}, map[string]string{}
	for _, f := range rep.Files {
		if f.Way.Class != WayIdentical {
			lossy = append(lossy, f.Version)
		}
		for _, u := range f.Unfilled {
			unfilled[u.Table] = u.Why
		}
		if f.Failure != nil || len(f.Up) == 0 || len(f.Down) == 0 {
			t.Errorf("%d_%s: %d statements up, %d down, %+v", f.Version, f.Name, len(f.Up), len(f.Down), f.Failure)
		}
	}
	if fmt.Sprint(lossy) != "[11 17]" {
		t.Errorf("ways down that aren't identical: %v", lossy)
	}
	if len(unfilled) > 6 {
		t.Errorf("unfilled: %v", unfilled)
	}
}
