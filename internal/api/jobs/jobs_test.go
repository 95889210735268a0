package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/base/role"
	"github.com/platctl/platctl/internal/base/telemetry"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

func open(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	p, err := pg.Open(t.Context(), url, pg.Options{MaxConns: 8, StatementTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// greet is a job for tests.
type greet struct {
	Name string `json:"name"`
}

func (greet) Kind() string { return "greet" }

// watched is a role that a test changes.
type watched struct{ *role.Holder }

func (w watched) Watch() (bool, <-chan struct{}) {
	d, changed := w.Holder.Watch()
	return d.Role == role.Active, changed
}

func newQueue(t *testing.T, pool *pgxpool.Pool, r jobs.Role) *jobs.Queue {
	t.Helper()
	q, err := jobs.New(jobs.Options{Pool: pool, Log: slog.New(slog.DiscardHandler), Role: r, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func run(t *testing.T, q *jobs.Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); q.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func insert(t *testing.T, ctx context.Context, pool *pgxpool.Pool, q *jobs.Queue, names ...string) {
	t.Helper()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, n := range names {
			if err := q.Insert(ctx, tx, greet{n}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// Our migration makes what river's own migrations make: columns with type, default and null, constraints and indexes.
func TestSchemaIsRivers(t *testing.T) {
	t.Parallel()
	theirs := open(t, pgtest.Empty(t))
	m, err := rivermigrate.New(riverpgxv5.New(theirs), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	ours := open(t, pgtest.New(t, apitest.Template(t)))
	if a, b := catalogue(t, ours), catalogue(t, theirs); !slices.Equal(a, b) {
		t.Errorf("ours:\n%s\n\nriver's:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// catalogue describes river's tables, without the order of columns.
func catalogue(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		select 'column ' || table_name || '.' || column_name || ' ' || udt_name || ' ' || coalesce(column_default, '-') || ' ' || is_nullable
		from information_schema.columns where table_name like 'river\_%'
		union all select 'table ' || relname || ' ' || relpersistence::text from pg_class where relkind = 'r' and relname like 'river\_%'
		union all select 'index ' || indexdef from pg_indexes where tablename like 'river\_%' and indexname not like '%\_pkey%'
		union all select 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint where conrelid::regclass::text like 'river\_%'
		union all select 'enum ' || string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = 'river_job_state'::regtype
		union all select 'function ' || proname || ' ' || pg_get_function_arguments(oid) || ' ' || provolatile::text from pg_proc where proname like 'river\_%'
		union all select 'version ' || line || ' ' || version from river_migration
		order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(all) < 50 {
		t.Fatalf("%d rows, %v", len(all), err)
	}
	return all
}

// A job exists when its transaction commits and not when it rolls back; it runs under the trace of who made it, and again
// when it fails.
func TestJobsRunAfterTheCommit(t *testing.T) {
	t.Parallel()
	pool := open(t, pgtest.New(t, apitest.Template(t)))
	q := newQueue(t, pool, watched{role.NewHolder(role.Active)})
	type attempt struct{ name, trace string }
	ran := make(chan attempt, 10)
	var failures atomic.Int32
	jobs.Handle(q, func(ctx context.Context, g greet) error {
		ran <- attempt{g.Name, telemetry.TraceID(ctx)}
		if g.Name == "twice" && failures.Add(1) == 1 {
			return errors.New("not yet")
		}
		return nil
	})
	ctx := telemetry.Resume(t.Context(), "0123456789abcdef0123456789abcdef")
	undo := errors.New("undo")
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := q.Insert(ctx, tx, greet{"never"}); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	insert(t, ctx, pool, q, "twice")
	run(t, q)
	for range 2 {
		if a := receive(t, ran); a != (attempt{"twice", "0123456789abcdef0123456789abcdef"}) {
			t.Errorf("%+v", a)
		}
	}
}

// A job that can't be mended is tried once, and what runs after it is not held up.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	pool := open(t, pgtest.New(t, apitest.Template(t)))
	q := newQueue(t, pool, watched{role.NewHolder(role.Active)})
	ran := make(chan string, 10)
	jobs.Handle(q, func(_ context.Context, g greet) error {
		ran <- g.Name
		if g.Name == "hopeless" {
			return fault.Op("greet", jobs.GiveUp(errors.New("nobody there")))
		}
		return nil
	})
	insert(t, t.Context(), pool, q, "hopeless")
	stop := run(t, q)
	receive(t, ran)
	insert(t, t.Context(), pool, q, "next")
	if got := receive(t, ran); got != "next" {
		t.Errorf("ran %s", got)
	}
	stop()
	var state string
	err := pool.QueryRow(t.Context(), "select state::text || ' ' || attempt from river_job where args->>'name' = 'hopeless'").Scan(&state)
	if err != nil || state != "cancelled 1" {
		t.Errorf("%s, %v; want cancelled after one attempt", state, err)
	}
}

// A server in standby works nothing; in charge it works; back in standby it finishes what runs and takes nothing new. So
// does one that stops.
func TestOnlyTheServerInChargeWorks(t *testing.T) {
	t.Parallel()
	pool := open(t, pgtest.New(t, apitest.Template(t)))
	holder := role.NewHolder(role.Standby)
	q := newQueue(t, pool, watched{holder})
	started, finish := make(chan string, 10), make(chan struct{})
	var finished atomic.Int32
	jobs.Handle(q, func(ctx context.Context, g greet) error {
		started <- g.Name
		select {
		case <-finish:
			finished.Add(1)
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	stop := run(t, q)
	insert(t, t.Context(), pool, q, "ana")
	if len(started) != 0 {
		t.Error("a standby took a job")
	}
	set(t, holder, role.Active)
	receive(t, started)
	insert(t, t.Context(), pool, q, "ben")
	receive(t, started)
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	close(finish)
	receive(t, stopped)
	if n := finished.Load(); n != 2 {
		t.Errorf("%d of 2 running jobs were finished before the stop", n)
	}
	insert(t, t.Context(), pool, q, "cem")
	var state string
	if err := pool.QueryRow(t.Context(), "select state::text from river_job where args->>'name' = 'cem'").Scan(&state); err != nil || state != "available" {
		t.Errorf("after the stop the job is %s, %v", state, err)
	}
}

// The role may come and go as often as deploys do.
func TestRoleChangesBackAndForth(t *testing.T) {
	t.Parallel()
	pool := open(t, pgtest.New(t, apitest.Template(t)))
	holder := role.NewHolder(role.Active)
	q := newQueue(t, pool, watched{holder})
	ran := make(chan string, 10)
	jobs.Handle(q, func(_ context.Context, g greet) error { ran <- g.Name; return nil })
	run(t, q)
	for _, name := range []string{"one", "two", "three"} {
		insert(t, t.Context(), pool, q, name)
		if got := receive(t, ran); got != name {
			t.Errorf("ran %s, want %s", got, name)
		}
		set(t, holder, role.Standby)
		set(t, holder, role.Active)
	}
}

func set(t *testing.T, h *role.Holder, r role.Role) {
	t.Helper()
	if err := h.Set(role.Document{Role: r, Token: h.Get().Token + 1}); err != nil {
		t.Fatal(err)
	}
}

// Work by the clock is made once per interval, however many servers there are.
func TestPeriodicWorkIsDoneOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	ran := make(chan string, 10)
	for range 2 {
		q := newQueue(t, open(t, url), watched{role.NewHolder(role.Active)})
		jobs.Handle(q, func(_ context.Context, g greet) error { ran <- g.Name; return nil })
		q.Every(24*time.Hour, greet{"nightly"})
		run(t, q)
	}
	if got := receive(t, ran); got != "nightly" {
		t.Errorf("ran %s", got)
	}
	var n int
	if err := open(t, url).QueryRow(t.Context(), "select count(*) from river_job").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d jobs, %v; want 1", n, err)
	}
}

// slowly is a job in a queue of its own.
type slowly struct{}

func (slowly) Kind() string { return "slowly" }

func (slowly) Queue() string { return "slow" }

// Work in a queue of its own holds up no other, and may ask to be run again as often as it likes without failing.
func TestQueuesOfTheirOwn(t *testing.T) {
	t.Parallel()
	pool := open(t, pgtest.New(t, apitest.Template(t)))
	q, err := jobs.New(jobs.Options{Pool: pool, Log: slog.New(slog.DiscardHandler), Role: watched{role.NewHolder(role.Active)}, Workers: 1,
		Queues: map[string]int{"slow": 1}})
	if err != nil {
		t.Fatal(err)
	}
	began, carryOn, ran := make(chan int, 20), make(chan struct{}), make(chan string, 10)
	times := 0
	jobs.Handle(q, func(context.Context, slowly) error {
		times++
		began <- times
		<-carryOn
		if times <= 12 { // more often than a job may fail
			return jobs.Later(time.Millisecond)
		}
		return nil
	})
	jobs.Handle(q, func(_ context.Context, g greet) error { ran <- g.Name; return nil })
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return q.Insert(t.Context(), tx, slowly{}) }); err != nil {
		t.Fatal(err)
	}
	insert(t, t.Context(), pool, q, "ana")
	run(t, q)
	receive(t, began)
	if got := receive(t, ran); got != "ana" {
		t.Errorf("ran %s", got)
	}
	close(carryOn)
	for n := 1; n < 13; n = receive(t, began) {
	}
}
