package trace

import (
	"testing"
	"time"

	"github.com/platctl/platctl/internal/ops/migrate"
)

// A transaction holds the table, the migration queues behind it, a SELECT queues behind the migration: it gets through when the
// migration's lock_timeout ends, while the first transaction still stands. The trace names the session in the way.
func TestNobodyWaitsLongerThanLockTimeout(t *testing.T) {
	t.Parallel()
	url := server(t)
	observer, holder, reader, watcher := connect(t, url), connect(t, url), connect(t, url), connect(t, url)
	exec(t, watcher, "create table t (id int)")
	exec(t, holder, "begin; lock table t in row share mode")
	tr := newTracer(observer, url)
	defer tr.gates.end()
	retried := make(chan migrate.Event, 100)
	m, err := migrate.New(folder("1_it.sql", up+"select 1;\nalter table t add column a int;"), migrate.Options{LockTimeout: time.Second, Attempts: 1000, Watch: tr,
		OnEvent: func(e migrate.Event) {
			if e.Kind == migrate.EventRetry && len(retried) == 0 {
				retried <- e
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := m.Up(t.Context(), url, 0)
		done <- err
	}()
	await(t, watcher, "select exists (select from pg_locks where relation = 't'::regclass and mode = 'AccessExclusiveLock' and not granted)")
	read := make(chan error, 1)
	go func() {
		_, err := reader.Exec(t.Context(), "select * from t")
		read <- err
	}()
	select {
	case err := <-read:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the SELECT waits for ever")
	}
	await(t, watcher, "select exists (select from pg_locks where pid = $1 and relation = 't'::regclass and mode = 'RowShareLock' and granted)", holder.PgConn().PID())
	if e := <-retried; e.Attempt < 1 {
		t.Errorf("%+v", e)
	}
	if len(done) > 0 {
		t.Fatal("the migration has ended while the table is held")
	}
	exec(t, holder, "rollback")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	st := tr.out[1]
	if st.Attempts < 2 || len(st.Waits) == 0 || st.Waits[0].For != "t" || st.Waits[0].Behind[0] != int(holder.PgConn().PID()) || st.Waits[0].MS < 500 {
		t.Errorf("%+v", st)
	}
}
