package migrate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// Somebody's transaction holds the table for long. The migration waits for it no longer than its lock_timeout at a time, so neither do
// those who come after it: a reader who would give up at more than that never has to. The holder is named at each try, and in the
// error of a run that gives up; once it has gone the migration succeeds.
func TestBlockerIsNamed(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{"transaction": up, "stepwise": noTx} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			watch, holder, reader := connect(t, url), connect(t, url), connect(t, url)
			run(t, watch, "create table farms (id int)")
			run(t, holder, "set application_name = 'a report'; begin; select from farms")
			pid := int(holder.PgConn().PID())

			file := "-- platctl: lock_timeout 500ms\n-- platctl: retries %d\n" + head + "alter table farms add name text;\n"
			_, err := migrator(t, Options{}, "1_a.sql", fmt.Sprintf(file, 1)).Up(t.Context(), url, 0)
			wantFault(t, err, fault.Busy, "didn't get its lock in 2 attempts")
			wantFault(t, err, fault.Busy, fmt.Sprintf("in its way was session %d (a report) of ", pid))
			wantFault(t, err, fault.Busy, "idle in transaction, its transaction open for ")
			if hint := fault.From(err).Hint; !strings.Contains(hint, fmt.Sprintf("pg_terminate_backend(%d)", pid)) {
				t.Errorf("hint %q", hint)
			}

			l := newLog()
			done := make(chan error, 1)
			go func() {
				_, err := migrator(t, Options{OnEvent: l.add}, "1_a.sql", fmt.Sprintf(file, 100)).Up(t.Context(), url, 0)
				done <- err
			}()
			stop, read := make(chan struct{}), make(chan error, 1)
			go func() {
				defer close(read)
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					// Two seconds: lock_timeout and what a busy machine adds to it, and far less than the holder takes.
					if _, err := reader.Exec(t.Context(), "set lock_timeout = '2s'; select from farms"); err != nil {
						read <- fmt.Errorf("read %d: %w", n, err)
						return
					}
				}
			}()
			for range 4 {
				e := l.wait(t, EventRetry)
				if len(e.Blockers) != 1 || e.Blockers[0].PID != pid || e.Blockers[0].App != "a report" || !strings.Contains(e.Blockers[0].Query, "select from farms") {
					t.Errorf("blockers %+v", e.Blockers)
				}
			}
			select {
			case err := <-done:
				t.Fatalf("it ended though the table is held: %v", err)
			case <-time.After(0):
			}
			run(t, holder, "rollback")
			if err := <-done; err != nil {
				t.Error(err)
			}
			close(stop)
			if err := <-read; err != nil {
				t.Error(err)
			}
		})
	}
}
