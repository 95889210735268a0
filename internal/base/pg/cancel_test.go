package pg_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// watcher looks at the server's sessions from a session of its own.
type watcher struct {
	t    *testing.T
	conn *pgx.Conn
}

func watch(t *testing.T, url string) watcher {
	t.Helper()
	conn, err := pg.Connect(t.Context(), url, "watcher")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return watcher{t, conn}
}

// until waits for a session to be in one of the states, "gone" for no session.
func (w watcher) until(pid uint32, states ...string) {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		var got string
		err := w.conn.QueryRow(w.t.Context(), "select coalesce(max(state), 'gone') from pg_stat_activity where pid = $1", pid).Scan(&got)
		if err != nil {
			w.t.Fatal(err)
		}
		if slices.Contains(states, got) {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("the session is %s, want %v", got, states)
		}
	}
}

func openOne(t *testing.T, url string, o pg.Options) (*pgxpool.Pool, uint32) {
	t.Helper()
	o.MaxConns = 1
	pool, err := pg.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, pidOf(t, pool)
}

func pidOf(t *testing.T, pool *pgxpool.Pool) (pid uint32) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// Whatever a statement does when its client leaves or its time is up, it ends on the server, and the session serves the next.
func TestStatementEndsWithItsContext(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	w := watch(t, url)
	pool, pid := openOne(t, url, pg.Options{LockTimeout: -1, StatementTimeout: -1})
	holder := watch(t, url).conn
	for _, sql := range []string{"create table locked (id int)", "begin", "lock table locked"} {
		if _, err := holder.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	sleep := func(ctx context.Context) error {
		_, err := pool.Exec(ctx, "select pg_sleep(600)")
		return err
	}
	for name, work := range map[string]func(context.Context) error{
		"sleeps": sleep,
		"waits for a lock": func(ctx context.Context) error {
			_, err := pool.Exec(ctx, "insert into locked values (1)")
			return err
		},
		"computes": func(ctx context.Context) error {
			var n int64
			return pool.QueryRow(ctx, "select count(*) from generate_series(1, 1000000000000) n where n % 7 = $1", 3).Scan(&n)
		},
		"in a transaction": func(ctx context.Context) error {
			return pg.InTx(ctx, pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "select pg_sleep(600)")
				return err
			})
		},
		"between two statements of a transaction": func(ctx context.Context) error {
			return pg.InTx(ctx, pool, func(tx pgx.Tx) error {
				<-ctx.Done()
				_, err := tx.Exec(ctx, "select 1")
				return err
			})
		},
		"in a batch": func(ctx context.Context) error {
			b := &pgx.Batch{}
			b.Queue("select 1")
			b.Queue("select pg_sleep(600)")
			return pool.SendBatch(ctx, b).Close()
		},
	} {
		leaves, leave := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() { failed <- work(leaves) }()
		if strings.HasPrefix(name, "between") {
			w.until(pid, "idle in transaction")
		} else {
			w.until(pid, "active")
		}
		left := time.Now()
		leave()
		if err := <-failed; err == nil {
			t.Errorf("%s: the client left, and no error", name)
		}
		pid = w.survives(pool, pid, left, name+", and its client left")

		budget, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := work(budget); err == nil {
			t.Errorf("%s: the time was up, and no error", name)
		}
		cancel()
		pid = w.survives(pool, pid, left, name+", and its time was up")
	}
}

// survives waits for the statement's end on the server and checks that the pool goes on with the session. A server that was slow
// to end it may have cost the session: nobody waits for more than a second.
func (w watcher) survives(pool *pgxpool.Pool, pid uint32, began time.Time, what string) uint32 {
	w.t.Helper()
	took := time.Since(began)
	w.until(pid, "idle", "gone")
	now := pidOf(w.t, pool)
	if now != pid && took < time.Second {
		w.t.Errorf("%s: the session was given up after %s", what, took)
	}
	return now
}

// Clients that leave at every moment of a statement's life neither leave one behind nor make the next one fail.
func TestCancelHitsNobodyElse(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	pool, err := pg.Open(t.Context(), url, pg.Options{MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(worker*50+i)*10*time.Microsecond)
				_, _ = pool.Exec(ctx, "select pg_sleep(0.002)")
				cancel()
				var n int
				if err := pool.QueryRow(t.Context(), "select $1::int", i).Scan(&n); err != nil || n != i {
					t.Errorf("the statement after a cancelled one: %d, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
}

// A process that dies sends no cancel request; the server notices by itself.
func TestStatementEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	w := watch(t, url)
	pool, pid := openOne(t, url, pg.Options{StatementTimeout: -1})
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.Hijack().PgConn().Hijack() // pgx would still ask for a cancellation
	if err != nil {
		t.Fatal(err)
	}
	raw.Frontend.SendQuery(&pgproto3.Query{String: "select pg_sleep(600)"})
	if err := raw.Frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	w.until(pid, "active")
	if err := raw.Conn.Close(); err != nil { // what the kernel does to a dead process's sockets
		t.Fatal(err)
	}
	w.until(pid, "gone")
}

// Where no cancel request arrives, the session's own timeout ends the statement.
func TestStatementTimeoutIsTheBackstop(t *testing.T) {
	t.Parallel()
	pool, pid := openOne(t, pgtest.Empty(t), pg.Options{StatementTimeout: 50 * time.Millisecond})
	if _, err := pool.Exec(context.WithoutCancel(t.Context()), "select pg_sleep(600)"); !pg.Is(err, pg.QueryCanceled) {
		t.Errorf("error %v", err)
	}
	if pidOf(t, pool) != pid {
		t.Error("the session was given up")
	}
}

// A session that listens waits as long as it is told to, again and again.
func TestListening(t *testing.T) {
	t.Parallel()
	pool, _ := openOne(t, pgtest.Empty(t), pg.Options{Listens: true})
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "listen x"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if _, err := conn.Conn().WaitForNotification(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing came: %v", err)
		}
		cancel()
	}
	if _, err := conn.Exec(t.Context(), "notify x, 'hello'"); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Conn().WaitForNotification(t.Context()); err != nil || n.Payload != "hello" {
		t.Errorf("%v, %v", n, err)
	}
}

// What it would cost to give each session the timeout of the request that has it next, instead of one timeout for all: two pools
// with the same small query, in turns, with a share of writes among reads. A switch is a round trip.
func BenchmarkTimeoutByClass(b *testing.B) {
	url := pgtest.Empty(b)
	open := func(byClass bool) *pgxpool.Pool {
		p, err := pg.Open(b.Context(), url, pg.Options{MaxConns: 10})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		cfg := p.Config()
		if byClass {
			cfg.PrepareConn = switchTimeout
		}
		pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(pool.Close)
		return pool
	}
	one, byClass := open(false), open(true)
	for _, workers := range []int{1, 8} {
		for _, writes := range []int{0, 1, 5} {
			b.Run(fmt.Sprintf("workers=%d/writes=%d0%%", workers, writes), func(b *testing.B) {
				const per = 400
				var took [2]time.Duration
				n := 0
				mix(b, one, workers, writes, per)
				mix(b, byClass, workers, writes, per)
				for b.Loop() {
					took[0] += mix(b, one, workers, writes, per)
					took[1] += mix(b, byClass, workers, writes, per)
					n += per
				}
				b.ReportMetric(float64(took[0].Nanoseconds())/float64(n)/1000, "µs/one")
				b.ReportMetric(float64(took[1].Nanoseconds())/float64(n)/1000, "µs/by-class")
				b.ReportMetric(float64(took[1])/float64(took[0]), "ratio")
			})
		}
	}
}

// switchTimeout is a pgxpool.Config.PrepareConn hook.
func switchTimeout(ctx context.Context, conn *pgx.Conn) (bool, error) {
	class := "3s"
	if at, ok := ctx.Deadline(); ok && time.Until(at) > 3*time.Second {
		class = "5s"
	}
	data := conn.PgConn().CustomData()
	if data["timeout"] == class {
		return true, nil
	}
	data["timeout"] = class
	return true, conn.PgConn().Exec(ctx, "set statement_timeout = '"+class+"'").Close()
}

func mix(b *testing.B, pool *pgxpool.Pool, workers, writes, n int) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range n / workers {
				budget := 3 * time.Second
				if (i*7+w)%10 < writes {
					budget = 5 * time.Second
				}
				ctx, cancel := context.WithTimeout(b.Context(), budget)
				var oid uint32
				if err := pool.QueryRow(ctx, "select oid from pg_class where oid = $1", 1259).Scan(&oid); err != nil {
					b.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}
