package migrate

import (
	"context"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// Down runs what the ledger keeps, the newest first: other files, or none of these, don't matter. Up applies it all again.
func TestDown(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	files := []string{
		"1_a.sql", up + "create table a (id int);\n-- +goose Down\ndrop table a;\n",
		"2_b.sql", noTx + "create index concurrently a_id on a (id);\n-- +goose Down\ndrop index concurrently a_id;\n",
		"3_c.sql", up + "alter table a add column b int, add column c int;\n-- +goose Down\nalter table a drop column b, drop c;\n",
	}
	m := migrator(t, Options{Release: "1.0.0"}, files...)
	mustUp(t, m, url)
	l := newLog()
	other := migrator(t, Options{OnEvent: l.add}, "9_other.sql", up+"select 1;\n")
	if res, err := other.Down(t.Context(), url, Newest); err != nil || res.From != 3 || res.To != 2 || len(res.Reverted) != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	if st := status(t, m, conn); st.Current != 2 || st.Pending != 1 || st.Rows[2].State != Reverted {
		t.Errorf("%+v", st)
	}
	res, err := other.Down(t.Context(), url, 0)
	if err != nil || res.To != 0 || len(res.Reverted) != 2 || res.Reverted[0].Version != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	if got := l.kinds(); got != "started statement reverted started statement reverted started statement reverted" {
		t.Errorf("events %s", got)
	}
	if got := str(t, conn, "select coalesce(to_regclass('a')::text, 'absent')"); got != "absent" {
		t.Errorf("table a is %s", got)
	}
	if res, err := other.Down(t.Context(), url, Newest); err != nil || len(res.Reverted) != 0 {
		t.Errorf("nothing is applied: %+v, %v", res, err)
	}
	if res := mustUp(t, m, url); len(res.Applied) != 3 {
		t.Errorf("%+v", res)
	}
	got := str(t, conn, "select string_agg(version || ' ' || state, ', ' order by id) from platctl.migration_events")
	if want := "1 applied, 2 running, 2 applied, 3 applied, 3 reverted, 2 reverting, 2 reverted, 1 reverted, 1 applied, 2 running, 2 applied, 3 applied"; got != want {
		t.Errorf("the ledger's log is\n%s, want\n%s", got, want)
	}
}

func TestDownRefuses(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{}, "1_a.sql", up+"create table a (id int);\n", "2_b.sql", up+"create table b (id int);\n-- +goose Down\ncommit;\n",
		"3_c.sql", noTx+"create table c (id int);\nselect nonsense;\n-- +goose Down\ndrop table c;\n")
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, "1 of its 2 statements are applied")
	down := func(to int64) error {
		_, err := m.Down(t.Context(), url, to)
		return err
	}
	wantFault(t, down(Newest), fault.Conflict, "3_c is half applied: 1 of 2 statements")
	run(t, conn, "delete from platctl.migrations where version = 3")
	wantFault(t, down(Newest), fault.Invalid, "COMMIT in a file that runs in one transaction")
	run(t, conn, "update platctl.migrations set down_text = 'drop table nowhere;' where version = 2")
	wantFault(t, down(Newest), fault.Failed, "nothing of this file was reverted")
	if st := status(t, m, conn); st.Current != 2 || !strings.HasPrefix(st.Rows[1].Error, "down: ") {
		t.Errorf("%+v", st.Rows[1])
	}
	run(t, conn, "update platctl.migrations set down_text = 'drop table ''b;' where version = 2")
	wantFault(t, down(Newest), fault.Conflict, "can't be read")
	wantFault(t, down(7), fault.Usage, "7 is not applied")
	run(t, conn, "update platctl.migrations set down_text = 'drop table b;' where version = 2")
	wantFault(t, down(0), fault.Conflict, "1_a has no way down; nothing was done")
	if st := status(t, m, conn); st.Current != 2 {
		t.Errorf("%+v", st)
	}
}

// A way down without a transaction goes on behind the statements that it has done; up waits for that.
func TestDownResumes(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{}, "1_a.sql", noTx+"create table a (id int);\ncreate table b (id int);\n-- +goose Down\ndrop table b;\nselect 1/(select count(*) from c);\ndrop table a;\n")
	mustUp(t, m, url)
	_, err := m.Down(t.Context(), url, Newest)
	wantFault(t, err, fault.Failed, "1 of its 3 statements are reverted, and `platctl migrate down` goes on behind them")
	if row := status(t, m, conn).Rows[0]; row.State != Reverting || row.Done != 1 || row.Statements != 3 {
		t.Errorf("%+v", row)
	}
	_, err = m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "1_a is half reverted")
	run(t, conn, "create table c as select 1")
	steps, err := m.PlanDown(t.Context(), conn, Newest)
	if err != nil || len(steps) != 1 || steps[0].Done != 1 {
		t.Errorf("%+v, %v", steps, err)
	}
	if res, err := m.Down(t.Context(), url, Newest); err != nil || res.To != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// A ledger of before there was a way down is brought forward by whoever writes, and read as it is by whoever only reads.
func TestOldLedger(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{}, "1_a.sql", up+"create table a ();\n-- +goose Down\ndrop table a;\n",
		"2_b.sql", noTx+"create table b (id int);\ncreate index concurrently b_id on b (id);\n-- +goose Down\ndrop index concurrently b_id;\ndrop table b;\n")
	mustUp(t, m, url)
	run(t, conn, "drop table platctl.migration_events, platctl.migration_runs; alter table platctl.migrations drop column up_stepwise, drop column down_stepwise")
	run(t, conn, "alter table platctl.migrations drop constraint migrations_state_check, add constraint migrations_state_check check (state in ('running', 'applied', 'failed'))")
	if st := status(t, m, conn); st.Current != 2 || st.Pending != 0 {
		t.Errorf("%+v", st)
	}
	other := migrator(t, Options{}, "9_other.sql", up+"select 1;\n")
	if res, err := other.Down(t.Context(), url, 0); err != nil || len(res.Reverted) != 2 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestLosses(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"drop table if exists a, b.\"C d\" cascade": `table a; table b."C d"`,
		"ALTER TABLE ONLY s.t DROP COLUMN IF EXISTS a, drop b, alter c drop not null, drop constraint k, drop column \"default\"": `column s.t.a; column s.t.b; column s.t."default"`,
		"alter table t add check (drop_me > (drop))": "",
		"truncate table a, only b restart identity":  "rows a; rows b",
		"delete from only a where b":                 "rows a",
		"update a set b = 1":                         "rows a",
		"drop index concurrently i":                  "",
		"drop materialized view v":                   "materialized view v",
		"drop schema s cascade":                      "schema s",
		"drop type mood cascade":                     "type mood",
		"do $$ begin execute 'drop table a'; end $$": "unknown DO",
		"drop table":                                 "table ",
		"alter table":                                "",
	} {
		var got []string
		for _, l := range losses([]Statement{{SQL: sql, Line: 1}}) {
			got = append(got, l.What+" "+l.Name)
		}
		if g := strings.Join(got, "; "); g != want {
			t.Errorf("%s\n got %q\nwant %q", sql, g, want)
		}
	}
}

func TestPlanDownMeasures(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{}, "1_a.sql", up+"create table a (id int);\n-- +goose Down\ndrop table a;\n")
	mustUp(t, m, url)
	run(t, conn, "insert into a select generate_series(1, 1000)")
	run(t, conn, "analyze a")
	steps, err := m.PlanDown(context.Background(), conn, Newest)
	if err != nil || len(steps) != 1 || len(steps[0].Losses) != 1 {
		t.Fatalf("%+v, %v", steps, err)
	}
	if l := steps[0].Losses[0]; l.Rows != 1000 || l.Bytes < 8192 || l.Line != 1 {
		t.Errorf("%+v", l)
	}
}
