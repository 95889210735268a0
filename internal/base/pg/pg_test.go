package pg_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestInTx(t *testing.T) {
	t.Parallel()
	pool, err := pg.Open(t.Context(), pgtest.Empty(t), pg.Options{StatementTimeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("create table account (id int primary key, v int not null)")
	exec("insert into account values (1, 0), (2, 0)")
	// Two transactions that lock the rows in opposite order: one is the deadlock's victim and runs again.
	var met, wg sync.WaitGroup
	met.Add(2)
	for _, order := range [][2]int{{1, 2}, {2, 1}} {
		var once sync.Once
		wg.Go(func() {
			err := pg.InTx(t.Context(), pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(t.Context(), "set local lock_timeout = '30s'; set local statement_timeout = '30s'"); err != nil {
					return err
				}
				for i, id := range order {
					if _, err := tx.Exec(t.Context(), "update account set v = v + 1 where id = $1", id); err != nil {
						return err
					}
					if i == 0 {
						once.Do(func() { met.Done(); met.Wait() })
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var sum int
	if err := pool.QueryRow(t.Context(), "select sum(v) from account").Scan(&sum); err != nil || sum != 4 {
		t.Errorf("sum %d %v, want 4", sum, err)
	}
	err = pg.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "insert into account values (1, 1)")
		return err
	})
	if !pg.Is(err, pg.UniqueViolation) || pg.Constraint(err) != "account_pkey" {
		t.Errorf("got %v", err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	pool, err := pg.Open(t.Context(), pgtest.Empty(t), pg.Options{AppName: "tests", StatementTimeout: 1234 * time.Millisecond, LockTimeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for name, want := range map[string]string{
		"application_name": "tests", "statement_timeout": "1234ms", "lock_timeout": "0", "idle_in_transaction_session_timeout": "5s",
		"plan_cache_mode": "force_generic_plan", "jit": "off",
	} {
		var got string
		if err := pool.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q %v, want %q", name, got, err, want)
		}
	}
	for url, kind := range map[string]fault.Kind{
		"postgres://me:hunter2@/x?host=/nonexistent":    fault.Unavailable,
		"postgres://me:hunter2@127.0.0.1:1/x":           fault.Unavailable,
		"postgres://me:hunter2@127.0.0.1:99999999/x":    fault.Config,
		"mysql is not it hunter2 password=hunter2 x y=": fault.Config,
	} {
		_, err := pg.Open(t.Context(), url, pg.Options{})
		if !errors.Is(err, kind) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s without the password", url, err, kind)
		}
	}
}

// All connections are opened and warmed, whether or not the server takes what warms them; what breaks a connection is an error.
func TestWarm(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	warmed := make(chan uint32, 3)
	pool, err := pg.Open(t.Context(), url, pg.Options{MaxConns: 3, Warm: func(ctx context.Context, conn *pgx.Conn) error {
		warmed <- conn.PgConn().PID()
		_, err := conn.Exec(ctx, "select from nothing_of_this_name")
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	seen := map[uint32]bool{<-warmed: true, <-warmed: true, <-warmed: true}
	if len(seen) != 3 {
		t.Errorf("warmed %v, want three connections", seen)
	}
	_, err = pg.Open(t.Context(), url, pg.Options{MaxConns: 1, Warm: func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "select pg_terminate_backend(pg_backend_pid())")
		return err
	}})
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("a connection that broke: %v", err)
	}
}

// A statement that is cancelled ends on the server too, and the session stays usable.
func TestConnectCancels(t *testing.T) {
	t.Parallel()
	conn, err := pg.Connect(t.Context(), pgtest.Empty(t), "tests")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel() // sometimes before the statement begins on the server, sometimes after
		if _, err := conn.Exec(ctx, "select pg_sleep(60)"); err == nil {
			t.Fatal("slept a minute")
		}
		cancel()
		if conn.IsClosed() {
			t.Fatal("the connection was given up")
		}
	}
	var one int
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("after it: %d %v", one, err)
	}
}

func TestDown(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool, err := pg.Open(t.Context(), url, pg.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = pool.Exec(t.Context(), "select nonsense")
	if err == nil || pg.Down(err) {
		t.Errorf("a wrong statement: %v", err)
	}
	_, err = pool.Exec(t.Context(), "select pg_terminate_backend(pg_backend_pid())")
	if !pg.Down(err) || !pg.Is(err, pg.AdminShutdown) {
		t.Errorf("a terminated session: %v", err)
	}
	_, err = pgx.Connect(t.Context(), "postgres:///x?host=/nonexistent")
	if !pg.Down(err) {
		t.Errorf("no server: %v", err)
	}
	if _, err := pool.Exec(t.Context(), "select 1"); err != nil {
		t.Errorf("the pool doesn't recover: %v", err)
	}
}
