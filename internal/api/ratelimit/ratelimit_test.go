package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/api/ratelimit/redistest"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

const patience = time.Minute // for what takes a second on a quiet machine

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// database is a migrated database with a pool.
func database(t testing.TB) (url string, pool *pgxpool.Pool) {
	t.Helper()
	url = pgtest.New(t, apitest.Template(t))
	pool, err := pg.Open(t.Context(), url, pg.Options{MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return url, pool
}

func perClient(rate limits.Rate, burst int64) limits.Policy {
	return limits.Policy{
		Mode: limits.Enforce, Percent: 100, Reads: "read", Writes: "read",
		Classes: map[string]limits.Class{"read": {Anonymous: &limits.Limit{Rate: rate, Burst: burst}}},
	}
}

// start runs a service on a database until the end of the test.
func start(t testing.TB, url string, pool *pgxpool.Pool, p limits.Policy, change ...func(*ratelimit.Options)) *ratelimit.Service {
	t.Helper()
	s, stop := mortal(t, url, pool, p, change...)
	t.Cleanup(stop)
	return s
}

// mortal runs a service until it is stopped.
func mortal(t testing.TB, url string, pool *pgxpool.Pool, p limits.Policy, change ...func(*ratelimit.Options)) (s *ratelimit.Service, stop func()) {
	t.Helper()
	o := ratelimit.Options{
		Declared: p, Log: slog.New(slog.DiscardHandler), Secret: bytes.Repeat([]byte{1}, 16), DB: pool,
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) },
	}
	for _, c := range change {
		c(&o)
	}
	s, err := ratelimit.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { s.Run(ctx) })
	<-s.Loaded()
	return s, func() { cancel(); ended.Wait() }
}

// pretend makes as many servers alive as the limits should think there are.
func pretend(t testing.TB, pool *pgxpool.Pool, servers int) {
	t.Helper()
	const beat = `insert into replicas (id, applied_seq, applied, applied_at)
		select 'pretended ' || n, 0, '1:1:', now() + interval '1 hour' from generate_series(1, $1) n`
	if _, err := pool.Exec(t.Context(), beat, servers); err != nil {
		t.Fatal(err)
	}
}

func from(address string) *ratelimit.Client {
	return &ratelimit.Client{Address: netip.MustParseAddr(address)}
}

func eventually(t testing.TB, what string, ok func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		if ok() {
			return time.Since(began)
		}
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// kindsOfSharing is how servers can share: through PostgreSQL, or through a Redis with connections of their own.
func kindsOfSharing() map[string]func(t *testing.T) []func(*ratelimit.Options) {
	return map[string]func(t *testing.T) []func(*ratelimit.Options){
		"postgres": func(*testing.T) []func(*ratelimit.Options) { return nil },
		"redis": func(t *testing.T) []func(*ratelimit.Options) {
			url := redistest.New(t).Open()
			return []func(*ratelimit.Options){func(o *ratelimit.Options) { o.Accounts = connect(t, url) }}
		},
	}
}

// A server that dies keeps nothing from the others: what is left of the client's burst is had from them, all of it and once.
func TestServerDies(t *testing.T) {
	t.Parallel()
	for name, shared := range kindsOfSharing() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, pool := database(t)
			pretend(t, pool, 3)
			change := shared(t)
			const burst, first = 90, 20
			p := perClient(limits.Rate{Count: 1, Per: time.Hour}, burst)
			left := []*ratelimit.Service{start(t, url, pool, p, change...), start(t, url, pool, p, change...)}
			dies, stop := mortal(t, url, pool, p, change...)
			t.Cleanup(stop)
			eventually(t, "three that share", func() bool { return dies.Status().Servers == 3 && !dies.Status().Local })
			use := func(n int, at ...*ratelimit.Service) (admitted int) {
				for i := range n {
					if !at[i%len(at)].Decide(context.Background(), "any", true, from("192.0.2.1")).Refused {
						admitted++
					}
				}
				return admitted
			}
			if got := use(first, dies); got != first {
				t.Fatalf("%d admitted of %d", got, first)
			}
			stop()
			if _, err := pool.Exec(t.Context(), "delete from replicas where id = 'pretended 3'"); err != nil {
				t.Fatal(err)
			}
			for _, s := range left {
				eventually(t, "two that share and know who owes", func() bool { st := s.Status(); return st.Servers == 2 && !st.Local && st.Loans > 0 })
			}
			if got := use(200, left...); got < burst-first-3 || got > burst-first+3 {
				t.Errorf("%d admitted by the others of the %d that were left", got, burst-first)
			}
		})
	}
}

// Three servers admit of one client, in a storm from all sides, burst + rate x time and at most 5 % more, whether they share
// through PostgreSQL or through Redis.
func TestThreeServersShare(t *testing.T) {
	t.Parallel()
	for name, shared := range kindsOfSharing() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storm(t, shared(t)...)
		})
	}
}

func storm(t *testing.T, change ...func(*ratelimit.Options)) {
	t.Helper()
	url, pool := database(t)
	pretend(t, pool, 3)
	const perSecond, burst, span = 200, 100, 4 * time.Second
	p := perClient(limits.Rate{Count: perSecond, Per: time.Second}, burst)
	servers := []*ratelimit.Service{start(t, url, pool, p, change...), start(t, url, pool, p, change...), start(t, url, pool, p, change...)}
	for i, s := range servers {
		eventually(t, fmt.Sprintf("server %d sharing", i), func() bool { return !s.Status().Local })
	}
	var admitted, refused atomic.Int64
	var clients sync.WaitGroup
	began := time.Now()
	for i := range 6 {
		clients.Go(func() {
			for time.Since(began) < span {
				if servers[i%3].Decide(context.Background(), "any", true, from("192.0.2.1")).Refused {
					refused.Add(1)
					time.Sleep(time.Millisecond)
				} else {
					admitted.Add(1)
				}
			}
		})
	}
	clients.Wait()
	took := time.Since(began).Seconds()
	most := burst + perSecond*took*1.05
	t.Logf("%d admitted of %.0f in %.2f s (%+.1f %%), %d refused", admitted.Load(), burst+perSecond*took, took,
		100*(float64(admitted.Load())/(burst+perSecond*took)-1), refused.Load())
	if got := float64(admitted.Load()); got > most || refused.Load() == 0 {
		t.Errorf("%.0f admitted, at most %.0f; %d refused", got, most, refused.Load())
	}
}

// A new policy is in force on every server without a restart, and nobody's debt is forgotten.
func TestReloadKeepsDebts(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	pretend(t, pool, 3)
	old := perClient(limits.Rate{Count: 1, Per: time.Hour}, 40)
	servers := []*ratelimit.Service{start(t, url, pool, old), start(t, url, pool, old), start(t, url, pool, old)}
	got := 0
	for i := range 60 {
		if !servers[i%3].Decide(t.Context(), "any", true, from("192.0.2.1")).Refused {
			got++
		}
	}
	if got < 38 || got > 45 {
		t.Fatalf("%d admitted of a burst of 40", got)
	}
	next := perClient(limits.Rate{Count: 1, Per: time.Hour}, 60)
	began := time.Now()
	v, err := ratelimit.NewStore(pool).Apply(t.Context(), 0, next, "ana", "more for everybody")
	if err != nil || v.Version != 1 || v.AppliedAt == nil || v.Author != "ana" {
		t.Fatalf("%+v, %v", v, err)
	}
	for _, s := range servers {
		eventually(t, "the new policy", func() bool { return s.Status().Version == 1 })
	}
	t.Logf("in force everywhere %s after it was applied", time.Since(began))
	more := 0
	for i := range 90 {
		if !servers[i%3].Decide(t.Context(), "any", true, from("192.0.2.1")).Refused {
			more++
		}
	}
	if got+more < 58 || got+more > 60+60/8 {
		t.Errorf("%d admitted before and %d after, of a burst of 60 in all", got, more)
	}
	for i, s := range servers {
		if d := s.Decide(t.Context(), "any", true, from("192.0.2.1")); !d.Refused {
			t.Errorf("server %d has forgotten what the client owes: %+v", i, d)
		}
	}
}

// A policy that can't be read, and a database that is away, leave what is in force; afterwards the newest holds.
func TestWhatCannotBeReadChangesNothing(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	s := start(t, url, pool, perClient(limits.Rate{Count: 1, Per: time.Hour}, 3))
	if _, err := pool.Exec(t.Context(), "insert into ratelimit_policies values (1, 'schema: platctl.ratelimit/v9', 'newer', 'a later release')"); err != nil {
		t.Fatal(err)
	}
	store := ratelimit.NewStore(pool)
	if _, err := store.Newest(t.Context()); !errors.Is(err, fault.Invalid) {
		t.Errorf("version 1 reads as %v", err)
	}
	if _, err := pool.Exec(t.Context(), "alter table ratelimit_policies rename to put_away"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Newest(t.Context()); !errors.Is(err, fault.Unavailable) {
		t.Errorf("without the table: %v", err)
	}
	for range 3 {
		s.Decide(t.Context(), "any", true, from("192.0.2.1"))
	}
	if d := s.Decide(t.Context(), "any", true, from("192.0.2.1")); !d.Refused || s.Status().Version != 0 {
		t.Errorf("%+v, %+v", d, s.Status())
	}
	if _, err := pool.Exec(t.Context(), "alter table put_away rename to ratelimit_policies"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Apply(t.Context(), 1, perClient(limits.Rate{Count: 1, Per: time.Hour}, 9), "ana", "ours"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "version 2", func() bool { return s.Status().Version == 2 })
	if d := s.Decide(t.Context(), "any", true, from("192.0.2.1")); d.Refused || d.Left() != 5 {
		t.Errorf("after 4 of 9: %+v, %d left", d, d.Left())
	}
}

// Versions are added, never changed; two who apply at once don't overwrite each other; history tells what changed.
func TestStore(t *testing.T) {
	t.Parallel()
	_, pool := database(t)
	store, ctx := ratelimit.NewStore(pool), t.Context()
	if v, err := store.Newest(ctx); err != nil || v.Version != 0 {
		t.Errorf("nothing applied: %+v, %v", v, err)
	}
	base := perClient(limits.Rate{Count: 1, Per: time.Second}, 5)
	for i := range int64(3) {
		if _, err := store.Apply(ctx, i, perClient(limits.Rate{Count: 1, Per: time.Second}, 6+i), "ana", "why"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Apply(ctx, 2, base, "ben", "late"); !errors.Is(err, fault.Busy) {
		t.Errorf("version 3 twice: %v", err)
	}
	if _, err := store.Apply(ctx, 3, limits.Policy{}, "ben", "nothing"); !errors.Is(err, fault.Invalid) {
		t.Errorf("a policy that can't be enforced: %v", err)
	}
	if _, err := store.Get(ctx, 9); !errors.Is(err, fault.NotFound) {
		t.Errorf("version 9: %v", err)
	}
	for n, versions := range map[int][]int64{2: {3, 2}, 3: {3, 2, 1}, 9: {3, 2, 1}} {
		got, err := store.History(ctx, base, n)
		if err != nil || len(got) != len(versions) {
			t.Fatalf("%d of history: %+v, %v", n, got, err)
		}
		for i, e := range got {
			if e.Version.Version != versions[i] || len(e.Changes) != 1 || e.Changes[0].Path != "classes.read.anonymous" {
				t.Errorf("history %d: %+v", i, e)
			}
		}
	}
}

// Moderators are known without asking at each request, and have limits of their own.
func TestModerators(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	var id int64
	const moderator = `insert into users (handle, display_name, password_hash, role) values ('moni', 'Moni', 'x', 'moderator') returning id`
	if err := pool.QueryRow(t.Context(), moderator).Scan(&id); err != nil {
		t.Fatal(err)
	}
	hour := limits.Rate{Count: 1, Per: time.Hour}
	p := perClient(hour, 2)
	p.Classes["read"] = limits.Class{User: &limits.Limit{Rate: hour, Burst: 3}, Moderator: &limits.Limit{Rate: hour, Burst: 30}}
	s := start(t, url, pool, p)
	for account, left := range map[int64]int64{id: 29, id + 1: 2} {
		if d := s.Decide(t.Context(), "any", true, &ratelimit.Client{Account: account}); d.Left() != left {
			t.Errorf("account %d has %d left, want %d", account, d.Left(), left)
		}
	}
}

// Without a database every server holds clients to its part, and fails nobody; when it is back they share again.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	pretend(t, pool, 3)
	var away atomic.Bool
	s := start(t, url, pool, perClient(limits.Rate{Count: 1, Per: time.Hour}, 30), func(o *ratelimit.Options) {
		connect := o.Connect
		o.Connect = func(ctx context.Context) (*pgx.Conn, error) {
			if away.Load() {
				return nil, errors.New("connection refused")
			}
			return connect(ctx)
		}
	})
	if st := s.Status(); st.Local || st.Servers != 3 {
		t.Fatalf("%+v", st)
	}
	away.Store(true)
	if _, err := pool.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "being on its own", func() bool { return s.Status().Local })
	admitted := 0
	for range 40 {
		if !s.Decide(t.Context(), "any", true, from("192.0.2.1")).Refused {
			admitted++
		}
	}
	if admitted != 10 {
		t.Errorf("%d admitted, want a third of 30", admitted)
	}
	away.Store(false)
	eventually(t, "sharing again", func() bool { return !s.Status().Local })
	for range 40 {
		if !s.Decide(t.Context(), "any", true, from("192.0.2.1")).Refused {
			admitted++
		}
	}
	if admitted < 28 || admitted > 30+30/8 {
		t.Errorf("%d admitted in all of a burst of 30", admitted)
	}
}
