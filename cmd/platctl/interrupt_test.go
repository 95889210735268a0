package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// A command that is interrupted in the middle of a statement exits with 130 and says how to go on, whatever the statement came to.
func TestInterruptedStatement(t *testing.T) {
	t.Parallel()
	const ana = "insert into users (handle, display_name, password_hash) values ('ana', 'Ana', 'x'), ('ben', 'Ben', 'x')"
	for line, c := range map[string]struct{ before, locked, app, want string }{
		"auth purge ana --yes": {ana, "likes", "platctl auth", "0 rows are gone for good\n  next: run it again to go on"},
		"auth ban ana --yes":   {ana, "users", "platctl auth", "interrupted"},
		"db verify --repair": {ana + "; insert into hidden select min(id), max(id) from users", "hidden", "platctl db verify, repairs",
			"what was repaired stays\n  next: run it again"},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t, apitest.Template(t))
			holder := connect(t, url)
			for _, sql := range []string{c.before, "begin; lock table " + c.locked + " in share mode"} {
				if _, err := holder.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			var out, errs bytes.Buffer
			ended := make(chan int, 1)
			go func() {
				ended <- cli.Run(ctx, strings.Fields(line), &term.Streams{In: strings.NewReader(""), Out: &out, Err: &errs},
					[]string{"PLATCTL_DATABASE_URL=" + url, "PLATCTL_STATE_DIR=/nowhere"})
			}()
			watcher := connect(t, url)
			for end := time.Now().Add(time.Minute); !waitsForALock(t, watcher, c.app); time.Sleep(5 * time.Millisecond) {
				if len(ended) > 0 || time.Now().After(end) {
					t.Fatal("no session waits for the lock: " + errs.String())
				}
			}
			interrupt()
			if code := <-ended; code != 130 || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
				t.Errorf("%d %s%s", code, errs.String(), out.String())
			}
		})
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func waitsForALock(t *testing.T, conn *pgx.Conn, app string) (waits bool) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `select exists (select from pg_stat_activity
		where datname = current_database() and application_name = $1 and wait_event_type = 'Lock')`, app).Scan(&waits)
	if err != nil {
		t.Fatal(err)
	}
	return waits
}
