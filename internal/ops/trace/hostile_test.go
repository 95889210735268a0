package trace

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/scratch"
)

// gone fails while the scratch database of a report is still there.
func gone(t *testing.T, url string, rep *Report) {
	t.Helper()
	var there bool
	err := connect(t, url).QueryRow(t.Context(), "select exists (select from pg_database where datname = $1)", rep.Scratch).Scan(&there)
	if err != nil || there || rep.Scratch == "" {
		t.Errorf("the scratch database %q is there: %v %v", rep.Scratch, there, err)
	}
}

// A failure names its statement, its SQLSTATE and where the file stands, and leaves nothing behind.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text            string
		statement, line int
		down            bool
		sqlstate, state string
	}{
		"in the middle":                   {up + "create table t ();\nselect nonsense;\nselect 1;", 2, 3, false, "42703", "failed, 0 of 3 statements"},
		"in the middle of no transaction": {noTx + "create table t ();\nselect nonsense;\nselect 1;", 2, 4, false, "42703", "failed, 1 of 3 statements"},
		"on the way down":                 {up + "create table t ();" + down + "drop table u;", 1, 1, true, "42P01", "applied, 1 of 1 statements"},
		"rows are in the way":             {up + "alter table filled add column n int not null;", 1, 2, false, "23502", "failed, 0 of 1 statements"},
		"twice":                           {up + "create table t ();" + down + "select 1;", 1, 2, false, "42P07", "failed, 0 of 1 statements"},
		"concurrently in a transaction":   {up + "create index concurrently i on filled (id);", 1, 2, false, "25001", "failed, 0 of 1 statements"},
		"its own backend":                 {up + "create table t ();\nselect pg_terminate_backend(pg_backend_pid());", 2, 3, false, "57P01", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := server(t)
			rep, err := Run(t.Context(), Options{Server: url, Rows: 10, Files: folder("1_before.sql", up+"create table filled (id int primary key);", "2_it.sql", c.text)})
			if !errors.Is(err, fault.Failed) {
				t.Fatalf("%v", err)
			}
			gone(t, url, rep)
			f := rep.Files[1].Failure
			if f == nil || f.Statement != c.statement || f.Line != c.line || f.SQLState != c.sqlstate || f.Down != c.down || c.state != "" && f.State != c.state {
				t.Errorf("%+v\n%v", f, err)
			}
		})
	}
}

// What a file does to its session doesn't blind the trace, and doesn't reach the next file.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	url := server(t)
	rep := mustTrace(t, Options{Server: url, Rows: 100, Files: folder(
		"1_before.sql", up+"create schema shop;\ncreate table shop.t (id int primary key, a int);\ncreate table gone (id int);\ncreate role trace_nobody_"+strings.ToLower(database(t, url)[2:])+";"+
			down+"drop table gone;\ndrop table shop.t;\ndrop schema shop;\ndrop role trace_nobody_"+strings.ToLower(database(t, url)[2:])+";",
		"2_hostile.sql", up+"set client_min_messages = error;\nset search_path = shop;\nalter table t alter a type bigint;\nset role trace_nobody_"+
			strings.ToLower(database(t, url)[2:])+";\nselect 1;",
		"3_next.sql", up+"alter table gone add check (id > 0);\ndrop table gone;",
	)})
	gone(t, url, rep)
	it := rep.Files[1].Up[2]
	if !slices.Contains(it.Notices, `rewriting table "t"`) || !slices.Contains(it.Rewrites, "shop.t") {
		t.Errorf("blind: %+v", it)
	}
	if after := rep.Files[1].Up[4]; after.Held[0].Relation != "shop.t" || after.Held[0].Mode != AccessExclusive {
		t.Errorf("what is held: %+v", after.Held)
	}
	drop := rep.Files[2].Up[1]
	if len(drop.Held) == 0 || drop.Held[0].Relation != "gone" {
		t.Errorf("a table that is dropped after it was changed: %+v", drop)
	}
	exec(t, connect(t, url), "drop role trace_nobody_"+strings.ToLower(database(t, url)[2:]))
}

// An interruption in the middle of a statement ends it on the server and leaves nothing.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	url := server(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	marker := "select pg_sleep(600) as " + database(t, url)
	type result struct {
		rep *Report
		err error
	}
	ended := make(chan result, 1)
	go func() {
		rep, err := Run(ctx, Options{Server: url, Files: folder("1_it.sql", up+marker+";")})
		ended <- result{rep, err}
	}()
	await(t, connect(t, url), "select exists (select from pg_stat_activity where state = 'active' and starts_with(query, $1))", marker)
	interrupt()
	r := <-ended
	if !errors.Is(r.err, fault.Canceled) {
		t.Errorf("%v", r.err)
	}
	gone(t, url, r.rep)
}

// await polls until a query answers true.
func await(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		var ok bool
		if err := conn.QueryRow(t.Context(), sql, args...).Scan(&ok); err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("never: %s", sql)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// A copy is made only of what doesn't look like production.
func TestCopyable(t *testing.T) {
	t.Parallel()
	url := server(t)
	if name, err := Copyable(t.Context(), url); err != nil || name != database(t, url) {
		t.Errorf("%q %v", name, err)
	}
	user := connect(t, url)
	if _, err := Copyable(t.Context(), url); !errors.Is(err, fault.Refused) {
		t.Errorf("in use: %v", err)
	}
	if _, err := Run(t.Context(), Options{Server: url, Template: database(t, url), Files: folder("1_a.sql", up+"select 1;")}); !errors.Is(err, fault.Busy) {
		t.Errorf("a template in use: %v", err)
	}
	_ = user.Close(t.Context())
	admin := connect(t, server(t))
	production := "production_" + database(t, url)
	exec(t, admin, "create database "+production)
	defer exec(t, admin, "drop database "+production+" with (force)")
	there := scratch.WithDatabase(url, production)
	if _, err := Copyable(t.Context(), there); !errors.Is(err, fault.Refused) || !strings.Contains(err.Error(), "looks like production") {
		t.Errorf("by name: %v", err)
	}
	if _, err := Copyable(t.Context(), "host=x"); !errors.Is(err, fault.Config) {
		t.Errorf("no URL: %v", err)
	}
	if _, err := Run(t.Context(), Options{Server: url, Template: "no_such_database", Files: folder("1_a.sql", up+"select 1;")}); !errors.Is(err, fault.NotFound) {
		t.Errorf("no template: %v", err)
	}
}

// A template's rows and ledger count: only what is pending is traced, and its tables are not filled again.
func TestTemplate(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, worldTemplate())
	files := folder("1_world.sql", worldSQL, "2_fit.sql", prepareSQL, "3_skipped.sql", up+"select 1;", "4_it.sql", up+"update small set t_id = 1;")
	rep := mustTrace(t, Options{Server: url, Template: database(t, url), From: 4, Files: files})
	if len(rep.Files) != 1 || rep.Untraced != 1 || rep.Files[0].Up[0].Scans[0].Tuples != 500 {
		t.Errorf("%+v", rep)
	}
	_, err := Run(t.Context(), Options{Server: url, Template: database(t, url), From: 5, Files: files})
	if !errors.Is(err, fault.Usage) {
		t.Errorf("nothing to trace: %v", err)
	}
	if _, err := pg.Connect(t.Context(), url, "the template is as before"); err != nil {
		t.Error(err)
	}
}

// Of a backfill the first batch is watched: the locks of all of them, and the rows of one.
func TestBackfill(t *testing.T) {
	t.Parallel()
	rep := mustTrace(t, Options{Rows: 300, Files: folder("1_a.sql", up+"create table plots (id bigint primary key, name text not null, title text);",
		"2_b.sql", "-- +goose Up\n-- platctl: phase backfill\n-- platctl: batch plots by id size 100\nupdate plots set title = name where id between :from and :to;")})
	if ways := rep.Files[1].Up; len(ways) != 1 || !slices.ContainsFunc(ways[0].Locks, func(l Lock) bool { return l.Relation == "plots" && l.Mode == RowExclusive }) {
		t.Errorf("%+v", ways)
	}
}

// A gate that another session than the runner's waits for opens by itself, and all sessions of gates end.
func TestGatesOpenByThemselves(t *testing.T) {
	t.Parallel()
	url := server(t)
	observing, runner, other, watcher := connect(t, url), connect(t, url), connect(t, url), connect(t, url)
	exec(t, watcher, "create table t (id int)")
	tr := newTracer(observing, url)
	now, err := relations(t.Context(), watcher, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr.world.refresh(now)
	if err := tr.gates.close(t.Context(), tr.world, "vacuum t"); err != nil || len(tr.gates.pids()) != 1 {
		t.Fatalf("%v %v", err, tr.gates.pids())
	}
	stop := tr.obs.watch(t.Context(), runner.PgConn().PID(), tr.gates)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := other.Exec(ctx, "alter table t add x int"); err != nil {
		t.Errorf("the gate stays shut: %v", err)
	}
	if s := stop(); s.err != nil || len(s.locks) > 0 {
		t.Errorf("%+v", s)
	}
	tr.gates.end()
	await(t, watcher, "select not exists (select from pg_stat_activity where datname = current_database() and application_name = 'platctl migrate trace, gate')")
}
