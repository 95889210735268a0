package migrate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// While a migration waits for a table, status names who holds it, who waits behind the migration, and what to do; once the holder
// is gone the migration succeeds.
func TestStatusTellsWhatRuns(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	watch, holder, reader := connect(t, url), connect(t, url), connect(t, url)
	run(t, watch, "create table farms (id int)")
	m := migrator(t, Options{LockTimeout: time.Hour}, "1_a.sql", up+"alter table farms add name text;\n")
	if st := status(t, m, watch); st.Live != nil {
		t.Errorf("nothing runs: %+v", st.Live)
	}
	run(t, holder, "begin; select from farms")
	applied := make(chan error, 1)
	go func() { _, err := m.Up(t.Context(), url, 0); applied <- err }()
	until(t, watch, func(l *Live) bool { return l != nil && len(l.Blockers) == 1 })
	read := make(chan error, 1)
	go func() { _, err := reader.Exec(t.Context(), "select from farms /* later */"); read <- err }()
	until(t, watch, func(l *Live) bool { return l != nil && len(l.Waiting) == 1 })
	st := status(t, m, watch)
	l := st.Live
	if l.Runner.App != "platctl migrate" || !strings.Contains(l.Runner.Query, "alter table farms") || l.Runner.State != "active" {
		t.Errorf("runner %+v", l.Runner)
	}
	if b := l.Blockers[0]; b.PID != int(holder.PgConn().PID()) || b.State != "idle in transaction" || b.ForMS <= 0 {
		t.Errorf("blocker %+v", b)
	}
	if w := l.Waiting[0]; w.PID != int(reader.PgConn().PID()) || !strings.Contains(w.Query, "later") {
		t.Errorf("waiting %+v", w)
	}
	err := st.Verdict()
	wantFault(t, err, fault.No, "a migration runs: 0 of 1 are applied")
	if hint := fault.From(err).Hint; !strings.Contains(hint, "pg_terminate_backend") {
		t.Errorf("hint %q", hint)
	}
	run(t, holder, "rollback")
	if err := errors.Join(<-applied, <-read); err != nil {
		t.Error(err)
	}
	if st := status(t, m, watch); st.Current != 1 {
		t.Errorf("%+v", st)
	}
}

// until waits for a state of what runs.
func until(t *testing.T, conn Querier, ok func(*Live) bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l, err := live(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		if ok(l) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("never: %+v", l)
		}
	}
}
