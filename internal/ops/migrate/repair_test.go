package migrate

import (
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// A person finishes by hand what platctl could not, and says so; the ledger's log keeps why.
func TestRepair(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	files := []string{"1_a.sql", up + "create table a ();\n", "2_b.sql", noTx + "create table b ();\nselect nonsense;\n-- +goose Down\ndrop table b;\n"}
	m := migrator(t, Options{}, files...)
	if _, err := m.Up(t.Context(), url, 0); err == nil {
		t.Fatal("nonsense was applied")
	}
	repair := func(m *Migrator, version int64, how Repair) (*Repaired, error) {
		return m.Repair(t.Context(), url, version, how, "finished by hand")
	}
	run(t, conn, "create index by_hand on b ((1))")
	rep, err := repair(m, 2, MarkApplied)
	if err != nil || rep.From != "failed (1 of 2)" || rep.To != "applied" || rep.Name != "b" {
		t.Fatalf("%+v, %v", rep, err)
	}
	if v, err := m.Verify(t.Context(), conn); err != nil || v.Verdict() != nil || v.Current != 2 || v.Rows[1].Error != "" || v.Drift == nil {
		t.Errorf("%+v, %v", v, err)
	}
	_, err = repair(m, 2, MarkApplied)
	wantFault(t, err, fault.Conflict, "2_b is applied already")
	_, err = repair(m, 2, AcceptFile)
	wantFault(t, err, fault.Conflict, "is what was applied")
	_, err = repair(m, 7, MarkApplied)
	wantFault(t, err, fault.Usage, "knows version 7")

	files[1] += "-- harmless\n"
	edited := migrator(t, Options{}, append(files, "3_c.sql", up+"create table c ();\n")...)
	wantFault(t, status(t, edited, conn).Verdict(), fault.No, "1 applied migrations were changed")
	if plan, err := edited.PlanRepair(t.Context(), conn, 1, AcceptFile); err != nil || plan.To != "the text of the file" {
		t.Errorf("%+v, %v", plan, err)
	}
	if _, err := repair(edited, 1, AcceptFile); err != nil {
		t.Error(err)
	}
	_, err = repair(edited, 3, MarkReverted)
	wantFault(t, err, fault.Conflict, "3_c is pending")
	if rep, err := repair(edited, 3, MarkApplied); err != nil || rep.From != "pending" {
		t.Errorf("%+v, %v", rep, err)
	}
	if _, err := repair(edited, 3, MarkReverted); err != nil {
		t.Error(err)
	}
	_, err = repair(edited, 3, MarkReverted)
	wantFault(t, err, fault.Conflict, "3_c is reverted already")
	if st := status(t, edited, conn); st.Current != 2 || st.Pending != 1 || st.Failed != 0 {
		t.Errorf("%+v", st)
	}
	if got := str(t, conn, "select string_agg(version || ' ' || state, ', ' order by id) from platctl.migration_events where detail = 'repair: finished by hand'"); got != "2 applied, 1 applied, 3 applied, 3 reverted" {
		t.Errorf("the ledger's log: %s", got)
	}
}
