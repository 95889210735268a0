package trace

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	up   = "-- +goose Up\n"
	down = "\n-- +goose Down\n"
	noTx = "-- +goose NO TRANSACTION\n-- +goose Up\n"
)

// folder makes a folder of files: name, text, name, text.
func folder(files ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		out[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return out
}

// server returns the URL of the tests' server. The test's own database on it stays empty.
func server(t testing.TB) string {
	t.Helper()
	return pgtest.Empty(t)
}

func database(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func mustTrace(t *testing.T, o Options) *Report {
	t.Helper()
	if o.Server == "" {
		o.Server = server(t)
	}
	rep, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// The table of conflicts is PostgreSQL's: two sessions try every pair.
func TestConflictsAreTheServers(t *testing.T) {
	t.Parallel()
	url := server(t)
	a, b := connect(t, url), connect(t, url)
	exec(t, a, "create table t ()")
	for _, x := range modes() {
		for _, y := range modes() {
			exec(t, a, "begin; lock table t in "+words(x)+" mode")
			exec(t, b, "begin")
			_, err := b.Exec(t.Context(), "lock table t in "+words(y)+" mode nowait")
			if (err != nil) != x.conflicts(y) {
				t.Errorf("%s beside %s: the server says %v", x, y, err)
			}
			exec(t, a, "rollback")
			exec(t, b, "rollback")
		}
	}
}

// words writes a mode as LOCK TABLE takes it.
func words(m Mode) string {
	var b strings.Builder
	for i, r := range m.String() {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// A whole folder: up, down and up again, judged.
func TestAFolder(t *testing.T) {
	t.Parallel()
	rep := mustTrace(t, Options{Rows: 100, Files: folder(
		"1_farms.sql", up+"create table farms (id bigint generated always as identity primary key, name text not null default 'x', motto text);\ncreate index farms_name on farms (name);"+down+"drop table farms;",
		"2_motto.sql", up+"alter table farms drop column name;\nalter table farms add column n int;"+down+"alter table farms drop column n;\nalter table farms add column name text;",
		"3_order.sql", up+"alter table farms drop column motto;"+down+"alter table farms add column motto text;",
		"4_none.sql", up+"alter table farms add column z int default 1;",
	)})
	for i, want := range []struct {
		class   string
		dangers int
	}{{WayIdentical, 0}, {WayLossy, 1}, {WayLossy, 1}, {WayNone, 0}} {
		f := rep.Files[i]
		if f.Way.Class != want.class || len(f.Dangers) != want.dangers {
			t.Errorf("%d_%s: the way down is %q with dangers %q; expected %q and %d", f.Version, f.Name, f.Way.Class, f.Dangers, want.class, want.dangers)
		}
	}
	var b strings.Builder
	if err := rep.Markdown(&b); err != nil || !strings.Contains(b.String(), "2 dangers") {
		t.Errorf("%v\n%s", err, &b)
	}
}

// What files are made of can't end a table's cell or open a tag.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	rep := mustTrace(t, Options{Rows: 3, Files: folder(
		"1_a.sql", up+"create table \"a|b\" (id int);",
		"2_b.sql", up+"alter table \"a|b\" add check (id > 0 and '<i>`' <> 'x|y');\ncreate table mine (id int);\nalter table mine add x text;",
	)})
	var b strings.Builder
	if err := rep.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	want := "| 1 `alter table \"a\\|b\" add check (id > 0 and '<i>'' <> 'x\\|y')` | \"a\\|b\": AccessExclusive | reads, writes |  | \"a\\|b\" (3 rows) |"
	if !strings.Contains(b.String(), want) {
		t.Errorf("expected %s in\n%s", want, &b)
	}
	if rep.Verdict() == nil {
		t.Error("nothing dangerous?")
	}
}
