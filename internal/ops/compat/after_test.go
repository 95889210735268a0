package compat

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/migrate"
	"github.com/platctl/platctl/internal/ops/scratch"
)

func plots(t testing.TB, more ...string) *migrate.Migrator {
	t.Helper()
	files := fstest.MapFS{
		"1_plots.sql":  {Data: []byte("-- +goose Up\n-- platctl: phase expand\ncreate table plots (id bigint primary key, name text not null, title text);")},
		"2_other.sql":  {Data: []byte("-- +goose Up\n-- platctl: phase expand\nalter table plots add note text; create index plots_name on plots (name);")},
		"3_drop.sql":   {Data: []byte("-- +goose Up\n-- platctl: phase contract\nalter table plots drop column name;")},
		"4_names.sql":  {Data: []byte("-- +goose Up\n-- platctl: phase expand\ncreate table names (name text primary key, plots bigint);")},
		"5_unused.sql": {Data: []byte("-- +goose Up\n-- platctl: phase contract\nalter table plots drop column note;")},
	}
	for i, sql := range more {
		files[string(rune('6'+i))+"_more.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)}
	}
	m, err := migrate.New(files, migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// builtOn makes the contract of a release of schema 1.
func builtOn(t testing.TB, version int64, queries ...Query) *Release {
	t.Helper()
	url := pgtest.Empty(t)
	if _, err := plots(t).Up(t.Context(), url, version); err != nil {
		t.Fatal(err)
	}
	c, err := Make(t.Context(), open(t, url), "", queries)
	if err != nil {
		t.Fatal(err)
	}
	if c.BuiltOn != version {
		t.Fatalf("built on %d, want %d", c.BuiltOn, version)
	}
	return &Release{Name: "old", Contract: c}
}

func named() Query { return Query{Name: "Plots", SQL: "select id, name from plots order by name"} }

// The schema that the files would leave is judged in a database of its own; each finding names the migration that did it, though
// two others name the column too.
func TestAfter(t *testing.T) {
	t.Parallel()
	server := pgtest.Empty(t)
	s, err := scratch.Make(t.Context(), server, "")
	if err != nil {
		t.Fatal(err)
	}
	old, other := builtOn(t, 1, named()), builtOn(t, 2, Query{Name: "Titles", SQL: "select title from plots"})
	reports, err := After(t.Context(), s.URL, plots(t), []*Release{old, other}, 5)
	if err != nil {
		t.Fatal(err)
	}
	if r := reports[0]; r.Verdict != Broken || r.Findings[0].SQLState != "42703" || strings.Join(r.Findings[0].Migrations, ",") != "3_drop" ||
		r.Findings[0].Statements[0] != "Plots" || r.Schema != 5 || len(r.Above) != 4 {
		t.Errorf("%+v", r)
	}
	if err := reports[0].Answer(); !errors.Is(err, fault.No) || !strings.Contains(err.Error(), "by 3_drop") {
		t.Errorf("%v", err)
	}
	if r := reports[1]; r.Verdict != Proven {
		t.Errorf("%+v", r)
	}
	if err := s.Drop(); err != nil {
		t.Fatal(err)
	}
}

// Without a database of its own, the migrations' texts say which of them it can have been.
func TestBlame(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	old := builtOn(t, 1, named())
	if _, err := plots(t).Up(t.Context(), url, 0); err != nil {
		t.Fatal(err)
	}
	r := judged(t, url, old.Contract, Options{})
	if got := strings.Join(r.Findings[0].Migrations, ","); got != "2_other,3_drop,4_names" {
		t.Errorf("blames %s", got)
	}
}

// What a file does to rows the catalogue doesn't show: there its phase counts.
func TestDeclaredPhases(t *testing.T) {
	t.Parallel()
	old := builtOn(t, 5, Query{Name: "Titles", SQL: "select title from plots"})
	for sql, want := range map[string]string{
		"-- platctl: phase backfill\nupdate plots set title = 'x';":                                                  "",
		"-- platctl: phase expand\ninsert into plots (id) values (9);":                                               "",
		"-- platctl: phase contract\ndelete from plots;":                                                             "is declared contract and changes rows of public.plots",
		"-- platctl: phase contract\ndelete from names;":                                                             "",
		"update public.plots set title = 'x';":                                                                       "doesn't declare its phase and changes rows of public.plots",
		"with x as (select 1) insert into plots (id) select 9 from x;":                                               "changes rows of public.plots",
		"do $$ begin delete from plots; end $$;":                                                                     "runs code that may change rows",
		"create function f() returns void language sql as $$ delete from plots $$;":                                  "",
		"create trigger t after update on names for each row execute function suppress_redundant_updates_trigger();": "",
	} {
		url := pgtest.Empty(t)
		if _, err := plots(t, sql).Up(t.Context(), url, 0); err != nil {
			t.Fatal(sql, err)
		}
		r := judged(t, url, old.Contract, Options{})
		switch {
		case want == "" && r.Verdict != Proven:
			t.Errorf("%s: %+v", sql, r.Findings)
		case want != "" && (r.Verdict != Unproven || !strings.Contains(r.Findings[0].Reason, want) || r.Findings[0].Migrations[0] != "6_more"):
			t.Errorf("%s: %s %+v", sql, r.Verdict, r.Findings)
		}
	}
}

// What was done by hand is in no file.
func TestByHand(t *testing.T) {
	t.Parallel()
	after := &Report{BuiltOn: 1, Verdict: Proven}
	after.Merge(&Report{Schema: 2, Findings: []Finding{{Verdict: Broken, Reason: "by hand"}}})
	if after.Verdict != Broken || !strings.Contains(after.Findings[0].Reason, "as the schema is now") {
		t.Errorf("%+v", after)
	}
	newer := &Report{BuiltOn: 3, Verdict: Proven}
	if newer.Merge(&Report{Schema: 2, Findings: []Finding{{Verdict: Broken, Reason: "pending"}}}); newer.Verdict != Proven {
		t.Errorf("%+v", newer)
	}
}
