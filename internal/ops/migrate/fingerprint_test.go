package migrate

import (
	"errors"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/catalog"
)

// Verify tells what somebody changed behind the ledger's back, and nothing else.
func TestVerify(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{Release: "1.0.0"}, "1_a.sql", up+"create table a (id int);\n-- +goose Down\ndrop table a;\n", "2_b.sql", up+"create table b ();\n-- +goose Down\ndrop table b;\n")
	verify := func() *Verification {
		t.Helper()
		v, err := m.Verify(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := verify(); v.Run != nil || v.Verdict() != nil || !strings.Contains(strings.Join(v.Warnings, " "), "no run") {
		t.Errorf("an empty database: %+v", v)
	}
	if _, err := m.Up(t.Context(), url, 1); err != nil {
		t.Fatal(err)
	}
	if v := verify(); v.Drift.Class != catalog.Identical || v.Run.To != 1 || v.Run.Release != "1.0.0" || v.Verdict() != nil || v.Pending != 1 {
		t.Errorf("%+v %+v", v, v.Run)
	}
	run(t, conn, "alter table a add byhand text; insert into a values (1)")
	v := verify()
	wantFault(t, v.Verdict(), fault.No, "the schema is not what the last run left")
	if len(v.Drift.Gained) == 0 || v.Drift.Gained[0].Object != "public.a.byhand" || len(v.Drift.Lost) != 0 {
		t.Errorf("%+v", v.Drift)
	}
	mustUp(t, m, url) // has the change in it now
	if v := verify(); v.Verdict() != nil || v.Run.To != 2 {
		t.Errorf("%+v", v)
	}
	if _, err := m.Down(t.Context(), url, 0); err != nil {
		t.Fatal(err)
	}
	if v := verify(); v.Verdict() != nil || v.Run.To != 0 || str(t, conn, "select count(facts)::text from platctl.migration_runs") != "1" {
		t.Errorf("%+v", v)
	}
	run(t, conn, "update platctl.migration_runs set after = 'x'")
	if _, err := m.Verify(t.Context(), conn); !errors.Is(err, fault.Conflict) {
		t.Error(err)
	}
}

// What a failed run left is kept, so that it is not taken for somebody's work.
func TestFailedRunIsNoDrift(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{}, "1_a.sql", up+"create table a ();\n", "2_b.sql", noTx+"create table b ();\nselect nonsense;\n")
	if _, err := m.Up(t.Context(), url, 0); err == nil {
		t.Fatal("nonsense was applied")
	}
	v, err := m.Verify(t.Context(), conn)
	if err != nil || v.Drift.Class != catalog.Identical {
		t.Errorf("%+v, %v", v, err)
	}
	wantFault(t, v.Verdict(), fault.No, "1 of 2 migrations failed")
}

// A run that is killed before it could keep its fingerprint is not taken for somebody's work; the next up keeps one.
func TestCutOffRunIsNoDrift(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{}, "1_a.sql", up+"create table a ();\n", "2_b.sql", up+"create table b ();\n")
	if _, err := m.Up(t.Context(), url, 1); err != nil {
		t.Fatal(err)
	}
	mustUp(t, m, url)
	run(t, conn, "delete from platctl.migration_runs where to_version = 2; update platctl.migration_runs set facts = ''") // as a kill leaves it
	v, err := m.Verify(t.Context(), conn)
	if err != nil || v.Verdict() != nil || v.Run != nil || !strings.Contains(strings.Join(v.Warnings, " "), "was cut off") {
		t.Errorf("%+v, %v", v, err)
	}
	if res := mustUp(t, m, url); len(res.Applied) != 0 {
		t.Errorf("%+v", res)
	}
	if v, err := m.Verify(t.Context(), conn); err != nil || v.Verdict() != nil || v.Run.To != 2 || v.Drift.Class != catalog.Identical {
		t.Errorf("%+v, %v", v, err)
	}
	mustUp(t, m, url)
	if got := str(t, conn, "select count(*)::text from platctl.migration_runs"); got != "2" {
		t.Errorf("%s runs are kept; one that does nothing keeps none", got)
	}
}
