package migrate

import (
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// A preview says of each file how it would run, which tables it names and how large they are, and what would be lost.
func TestPreview(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, `create table "Farms" (id int, note text); create table plots (id int)`)
	run(t, conn, `insert into "Farms" select generate_series(1, 500)`)
	run(t, conn, `analyze "Farms"`)
	m := migrator(t, Options{},
		"1_a.sql", "-- platctl: phase contract\n-- platctl: retries 3\n-- platctl: lock_timeout 5s\n-- platctl: statement_timeout 1m\n"+up+"alter table public.\"Farms\" drop column note;\n-- +goose Down\ndrop table plots;\n",
		"2_b.sql", noTx+"select 1;\ncreate index concurrently on \"Farms\" (id);\nselect nonsense from plots;\n")
	v, err := m.PreviewUp(t.Context(), conn, 0)
	if err != nil {
		t.Fatal(err)
	}
	if v.From != 0 || v.To != 2 || len(v.Files) != 2 || v.Down || v.Live != nil {
		t.Fatalf("%+v", v)
	}
	a := v.Files[0]
	if a.Phase != "contract" || !a.Transaction || a.LockTimeoutMS != 5000 || *a.StatementTimeoutMS != 60000 || a.Attempts != 4 || a.State != Pending {
		t.Errorf("%+v", a)
	}
	if len(a.Tables) != 1 || a.Tables[0].Name != `public."Farms"` || a.Tables[0].Rows != 500 || a.Tables[0].Bytes < 8192 {
		t.Errorf("tables %+v", a.Tables)
	}
	if len(a.Losses) != 1 || a.Losses[0].Name != `public."Farms".note` || a.Losses[0].Rows != 500 {
		t.Errorf("losses %+v", a.Losses)
	}
	if b := v.Files[1]; b.Transaction || b.Attempts != 10 || len(b.Tables) != 2 || b.LockTimeoutMS != 2000 {
		t.Errorf("%+v", b)
	}
	if _, err := m.Up(t.Context(), url, 0); err == nil {
		t.Fatal("nonsense was applied")
	}
	if v, err = m.PreviewUp(t.Context(), conn, 0); err != nil || len(v.Files) != 1 || v.Files[0].State != Failed || v.Files[0].Done != 2 || v.From != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err = m.PreviewDown(t.Context(), conn, 0); err == nil {
		t.Error("what is half applied can't be reverted")
	}
	if _, err := m.Repair(t.Context(), url, 2, MarkReverted, "test"); err != nil {
		t.Fatal(err)
	}
	if v, err = m.PreviewDown(t.Context(), conn, 0); err != nil || !v.Down || v.From != 1 || v.To != 0 || v.Files[0].Losses[0].Name != "plots" || v.Files[0].Tables[0].Name != "plots" {
		t.Errorf("%+v, %v", v, err)
	}
	_, err = m.PreviewUp(t.Context(), conn, 9)
	wantFault(t, err, fault.Usage, "there is no migration 9")
}

// While a migration runs, a preview takes no lock that it holds, and says who is in its way.
func TestPreviewWhileItRuns(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	watch, holder := connect(t, url), connect(t, url)
	run(t, watch, "create table farms (id int); set lock_timeout = '5s'")
	m := migrator(t, Options{LockTimeout: time.Hour}, "1_a.sql", up+"alter table farms add name text;\n")
	run(t, holder, "begin; select from farms")
	applied := make(chan error, 1)
	go func() { _, err := m.Up(t.Context(), url, 0); applied <- err }()
	until(t, watch, func(l *Live) bool { return l != nil && len(l.Blockers) == 1 })
	v, err := m.PreviewUp(t.Context(), watch, 0)
	if err != nil || v.Live == nil || v.Live.Blockers[0].PID != int(holder.PgConn().PID()) || len(v.Files) != 1 || len(v.Files[0].Tables) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	run(t, holder, "rollback")
	if err := <-applied; err != nil {
		t.Error(err)
	}
}
