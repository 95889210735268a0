package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/platctl/platctl/internal/ops/migrate"
)

// before is what the cases find: a table in use, with what rules ask about.
const before = `-- +goose Up
create table t (id bigint primary key, a integer, b varchar(10), n numeric(8,2), ts timestamp, c text not null check (c <> ''), e text unique);
create table u (id bigint primary key, t_id bigint);
create table log (id bigint, at date) partition by range (at);
create table log_old (id bigint, at date);
create table log_1 partition of log for values from ('2026-01-01') to ('2026-02-01');
create index t_a on t (a);
create unique index t_b on t (b);
create view v as select id from t;
create materialized view mv as select id from t;
create function f() returns trigger language plpgsql as $$ begin return null; end $$;
create type mood as enum ('sad', 'glad');
create domain posint as int check (value > 0);
create domain plain as int;
create sequence sq;
create schema app;
create table app.t (id bigint);
-- +goose Down
drop table t;
`

// folder reads migrations: before, and files that follow it.
func folder(t testing.TB, files ...string) []*migrate.Migration {
	t.Helper()
	fsys := fstest.MapFS{"1_before.sql": {Data: []byte(before)}}
	for i, f := range files {
		if !strings.Contains(f, "+goose Up") {
			f = "-- +goose Up\n" + f + "\n"
		}
		fsys[fmt.Sprintf("%d_x.sql", i+2)] = &fstest.MapFile{Data: []byte(f)}
	}
	m, err := migrate.New(fsys, migrate.Options{})
	if err != nil {
		t.Fatalf("%q: %v", files, err)
	}
	return m.Migrations()
}

// judge returns the rules that the newest file breaks, each once, and the report.
func judge(t testing.TB, o Options, files ...string) (rules []string, rep *Report) {
	t.Helper()
	o.Wants = func(m *migrate.Migration) bool { return m.Version == int64(len(files)+1) }
	rep = Lint(folder(t, files...), o)
	for _, f := range rep.Findings {
		if f.Allowed == "" && !slices.Contains(rules, f.Rule) {
			rules = append(rules, f.Rule)
		}
	}
	return rules, rep
}

// noTx makes a file without a transaction.
func noTx(sql string) string { return "-- +goose NO TRANSACTION\n-- +goose Up\n" + sql + "\n" }

func contract(sql string) string { return "-- platctl: phase contract\n-- +goose Up\n" + sql + "\n" }

// The same index, with and without traffic being blocked.
func TestIndex(t *testing.T) {
	t.Parallel()
	if got, _ := judge(t, Options{}, "create index i on t (a);"); !slices.Equal(got, []string{"L01"}) {
		t.Error(got)
	}
	if got, rep := judge(t, Options{}, noTx("create index concurrently i on t (a);")); len(got) != 0 || rep.OK != 1 {
		t.Error(got, rep)
	}
}
