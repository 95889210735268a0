package lint

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/platctl/platctl/internal/ops/migrate"
)

// What the files before say decides; each case is about the last of its files.
func TestEarlierFiles(t *testing.T) {
	t.Parallel()
	proof := "alter table t add constraint k check (a is not null) not valid;"
	validate := "alter table t validate constraint k;"
	setNotNull := "alter table t alter column a set not null;"
	for _, tc := range []struct {
		files []string
		want  string
	}{
		{[]string{proof, validate, setNotNull}, ""},
		{[]string{proof, setNotNull}, "L11 C04"}, // nobody has validated it
		{[]string{proof, validate, "alter table t drop constraint k;", setNotNull}, "L11 C04"},
		// The text "a is not null" is in it, and proves nothing.
		{[]string{"alter table t add column aa int; alter table t add constraint k check (aa is not null);", setNotNull}, "L11 C04"},
		{[]string{"alter table t add constraint k check (a is not null or b is not null);", setNotNull}, "L11 C04"},
		{[]string{`alter table t add constraint k check ((("a" IS NOT NULL)) and b <> '');`, setNotNull}, ""},
		{[]string{"alter table t add constraint k check (a is not null);", "alter table t rename a to z;", "alter table t alter z set not null;"}, ""},
		{[]string{"alter table t add constraint k check (a is not null) not valid;", "alter table t validate constraint k, alter a set not null;"}, ""},
		{[]string{"create table n (x int);", "create index i on n (x);"}, "L01"},
		{[]string{"create table n (x varchar(5));", "alter table n rename to m;", "alter table m alter x type varchar(9);"}, ""},
		{[]string{"create table n (x int references t (id));", "drop table n;"}, "L33 C01"}, // t is locked as well
		{[]string{"create table n (x int references t (id));", "alter table n drop column x;"}, "C01"},
		{[]string{"create function fresh() returns int language sql return 1;", "drop function fresh();"}, "C01"},
		{[]string{"create table n (k text check (k in ('a', 'b')));", "alter table n drop constraint n_k_check, add constraint n_k_check check (k in ('a', 'b', 'c')) not valid;"}, ""},
		{[]string{"create table n (k text check (k in ('a', 'b')));", "alter table n drop constraint n_k_check, add constraint n_k_check check (k in ('a', 'c')) not valid;"}, "C04"},
		{[]string{noTx("create unique index concurrently u_i on u (id);"), "alter table u add constraint pk primary key using index u_i;"}, ""},
		{[]string{"create type k as enum ('a');", "alter type k add value 'b'; insert into t (id, c) values (1, 'b');"}, "C11"},
		{[]string{"set search_path = app; create table n (a int);", "create index i on n (a);"}, "L01"},
		{[]string{"create table n (a int) partition by range (a);", "alter table n add foreign key (a) references t (id) not valid;"}, "L06 C04"},
	} {
		got, rep := judge(t, Options{}, tc.files...)
		got = slices.DeleteFunc(got, func(r string) bool { return r == "C12" })
		want := strings.Fields(tc.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q breaks %v, want %v", tc.files, got, want)
			for _, f := range rep.Findings {
				t.Logf("%s %s", f.Rule, f.Message)
			}
		}
	}
}

// The way down is judged for what it blocks; what it takes away is its purpose.
func TestDown(t *testing.T) {
	t.Parallel()
	got, rep := judge(t, Options{}, "-- +goose Up\ncreate table n (a int references t (id));\nalter table t add column x int;\n-- +goose Down\n"+
		"alter table t drop column x;\ndrop table n;\ncreate index i on t (a);\n")
	slices.Sort(got)
	if !slices.Equal(got, []string{"C12", "L01", "L31", "L32"}) {
		t.Error(got)
	}
	for _, f := range rep.Findings {
		if f.Direction != "down" && f.Rule != "C12" || f.Rule == "L01" && f.Line != 7 {
			t.Errorf("%+v", f)
		}
	}
	if j := rep.Judgements; len(j) != 5 || j[0].Verdict != OK || j[4].Verdict != Found || !slices.Equal(j[2].Locks, []string{"AccessExclusive public.t"}) {
		t.Errorf("%+v", j)
	}
}

// The line is that of the action, and its statement stays one.
func TestLines(t *testing.T) {
	t.Parallel()
	_, rep := judge(t, Options{}, "alter table t\n  add column x int,\n\n  add y int check (y > 0);")
	at := map[string]int{}
	for _, f := range rep.Findings {
		at[f.Rule] = f.Line
	}
	if at["L09"] != 5 || at["C12"] == 0 {
		t.Errorf("%v", at)
	}
}

func lintFS(t *testing.T, files map[string]string) *Report {
	t.Helper()
	fsys := fstest.MapFS{}
	for n, text := range files {
		fsys[n] = &fstest.MapFile{Data: []byte(text)}
	}
	m, err := migrate.New(fsys, migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Lint(m.Migrations(), Options{})
}

// An allow counts in every kind of folder, for the statement that follows it or for the file.
func TestAllow(t *testing.T) {
	t.Parallel()
	table, bad := "create table t (a int);\n", "create index i on t (a);\n"
	excuse := "-- platctl: allow L01 it has ten rows\n"
	for name, tc := range map[string]struct {
		files   map[string]string
		allowed int
		rules   string // that are left
	}{
		"goose, the statement": {map[string]string{"1_a.sql": "-- +goose Up\n" + table, "2_b.sql": "-- +goose Up\n" + excuse + bad}, 1, ""},
		"goose, another statement": {map[string]string{"1_a.sql": "-- +goose Up\n" + table,
			"2_b.sql": "-- +goose Up\n" + bad + excuse + "select 1;\n"}, 0, "L01 A01"},
		"goose, the file": {map[string]string{"1_a.sql": "-- +goose Up\n" + table,
			"2_b.sql": excuse + "-- +goose Up\n" + bad + "-- +goose Down\n" + strings.Replace(bad, "index i", "index j", 1)}, 2, ""},
		"goose, up and not down": {map[string]string{"1_a.sql": "-- +goose Up\n" + table,
			"2_b.sql": "-- +goose Up\n" + excuse + bad + "-- +goose Down\n" + strings.Replace(bad, "index i", "index j", 1)}, 1, "L01"},
		"goose, a block": {map[string]string{"1_a.sql": "-- +goose Up\n" + table,
			"2_b.sql": "-- +goose Up\n" + excuse + "-- +goose StatementBegin\n" + bad + "-- +goose StatementEnd\n"}, 1, ""},
		"by name, twice": {map[string]string{"1_a.sql": "-- +goose Up\n" + table, "2_b.sql": "-- +goose Up\n" +
			"-- platctl: allow index-not-concurrent small\n-- platctl: allow C04 no two are alike\ncreate unique index i on t (a);\n"}, 2, ""},
		"dbmate": {map[string]string{"1_a.sql": "-- migrate:up\n" + table,
			"2_b.sql": "-- migrate:up\nselect 1;\n" + excuse + bad + "-- migrate:down\n" + excuse + bad}, 2, ""},
		"dbmate, the file": {map[string]string{"1_a.sql": "-- migrate:up\n" + table, "2_b.sql": excuse + "-- migrate:up\n" + bad}, 1, ""},
		"golang-migrate":   {map[string]string{"1_a.up.sql": table, "2_b.up.sql": excuse + bad, "2_b.down.sql": "drop index i;\n" + excuse + bad}, 2, "L02 L31 L32"},
		"trace":            {map[string]string{"1_a.sql": "-- +goose Up\n-- platctl: allow T01 traced on Monday: it only reads\nselect my_function();\n"}, 1, ""},
		"nothing":          {map[string]string{"1_a.sql": excuse + "-- +goose Up\n" + table}, 0, "A01"},
		"no such rule":     {map[string]string{"1_a.sql": "-- platctl: allow L1 why not\n-- +goose Up\n" + table}, 0, "A02"},
	} {
		rep := lintFS(t, tc.files)
		var left []string
		for _, f := range rep.Findings {
			if f.Allowed == "" {
				left = append(left, f.Rule)
			}
		}
		slices.Sort(left)
		want := strings.Fields(tc.rules)
		slices.Sort(want)
		if rep.Allowed != tc.allowed || !slices.Equal(left, want) {
			t.Errorf("%s: %d allowed and %v left, want %d and %v", name, rep.Allowed, left, tc.allowed, want)
		}
		if failed := rep.Verdict(false) != nil; failed != (strings.Contains(tc.rules, "A0") || strings.Contains(tc.rules, "L01") || strings.Contains(tc.rules, "L32")) {
			t.Errorf("%s: %v", name, rep.Verdict(false))
		}
	}
}

// What needs a trace is never ok, and a no only where somebody is strict.
func TestVerdict(t *testing.T) {
	t.Parallel()
	_, rep := judge(t, Options{}, "call p();")
	if rep.Traces != 1 || rep.OK != 0 || rep.Judgements[0].Verdict != NeedsTrace || rep.Verdict(false) != nil || rep.Verdict(true) == nil {
		t.Errorf("%+v: %v", rep, rep.Verdict(true))
	}
	_, rep = judge(t, Options{}, "drop table t frobnicate;")
	if rep.Traces != 1 || rep.Errors != 1 || rep.Verdict(false) == nil {
		t.Errorf("%+v", rep)
	}
}
