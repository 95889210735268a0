package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/api/ratelimit/redistest"
	"github.com/platctl/platctl/internal/base/breaker"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

func secret() []byte { return bytes.Repeat([]byte{1}, 16) }

// connect returns the accounts in a Redis, with connections of its own.
func connect(t testing.TB, url string) *ratelimit.Redis {
	t.Helper()
	r, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: url, Secret: secret(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func in(r *ratelimit.Redis) func(*ratelimit.Options) {
	return func(o *ratelimit.Options) { o.Accounts = r }
}

func client(n byte) limits.Account {
	return limits.Account{Limit: "read/anonymous", Client: [16]byte{0, '\n', 0xff, 15: n}}
}

func ask(a limits.Account, perSecond, burst, used, want int64) limits.Ask {
	return limits.Ask{Account: a, Terms: limits.Limit{Rate: limits.Rate{Count: perSecond, Per: time.Second}, Burst: burst}, Used: used, Want: want}
}

// One account in Redis does what the one in PostgreSQL does: it books, lends whole units up to the burst, and is paid off with time.
func TestAccountsOfBothKinds(t *testing.T) {
	t.Parallel()
	for name, open := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			accounts := open(t)
			hourly := func(a limits.Account, burst, used, want int64) limits.Ask {
				q := ask(a, 1, burst, used, want)
				q.Terms.Rate.Per = time.Hour
				return q
			}
			for i, step := range []struct {
				asks    []limits.Ask
				granted []int64
				owed    []float64
			}{
				{[]limits.Ask{hourly(client(1), 10, 2, 5), hourly(client(2), 10, 0, 3)}, []int64{5, 3}, []float64{7, 3}},
				{[]limits.Ask{hourly(client(2), 10, 4, 5), hourly(client(1), 10, 0, 5)}, []int64{3, 3}, []float64{10, 10}},
				{[]limits.Ask{hourly(client(1), 10, 6, 5)}, []int64{0}, []float64{16}},
				{[]limits.Ask{hourly(client(1), 30, 0, 50)}, []int64{14}, []float64{30}}, // other terms, the same debt
				{[]limits.Ask{hourly(client(3), 10, 0, 0)}, []int64{0}, []float64{0}},
			} {
				got, err := accounts.Lend(t.Context(), step.asks)
				if err != nil {
					t.Fatal(err)
				}
				for j, g := range got {
					if g.Granted != step.granted[j] || math.Abs(g.Owed-step.owed[j]) > 0.5 {
						t.Errorf("step %d, ask %d: %+v, want %d of %.0f", i, j, g, step.granted[j], step.owed[j])
					}
				}
			}
			owed := map[limits.Account]float64{}
			debts, err := accounts.Debts(t.Context())
			for _, d := range debts {
				owed[d.Account] = math.Round(d.Owed)
			}
			if err != nil || len(owed) != 2 || owed[client(1)] != 30 || owed[client(2)] != 10 {
				t.Errorf("%v, %v", owed, err)
			}
			if _, err := accounts.Lend(t.Context(), []limits.Ask{ask(client(4), 1000, 100, 100, 0)}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "paying off 100 at 1,000/s", func() bool {
				debts, err := accounts.Debts(t.Context())
				return err == nil && len(debts) == 2
			})
		})
	}
}

// kinds is where accounts can be kept.
func kinds() map[string]func(t *testing.T) ratelimit.Accounts {
	return map[string]func(t *testing.T) ratelimit.Accounts{
		"postgres": func(t *testing.T) ratelimit.Accounts {
			url, _ := database(t)
			return ratelimit.NewLedger(func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) })
		},
		"redis": func(t *testing.T) ratelimit.Accounts { return connect(t, redistest.New(t).Open()) },
	}
}

// What Redis keeps is bounded: above the most, those who owe for the shortest time go, and everything expires.
func TestRedisKeepsLittle(t *testing.T) {
	t.Parallel()
	server := redistest.New(t)
	r := connect(t, server.Open())
	const most, batch = 1 << 16, 250
	begin := limits.Ask{Account: limits.Account{Limit: "write/user"}, Terms: limits.Limit{Rate: limits.Rate{Count: 1, Per: time.Hour}, Burst: 100}, Used: 50}
	if _, err := r.Lend(t.Context(), []limits.Ask{begin}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < most+4*batch; i += batch {
		asks := make([]limits.Ask, batch)
		for j := range asks {
			asks[j] = begin
			asks[j].Used = 1
			copy(asks[j].Client[:], fmt.Sprintf("%016d", i+j+1))
		}
		if _, err := r.Lend(t.Context(), asks); err != nil {
			t.Fatal(err)
		}
	}
	keys, _ := server.Do("KEYS", "*").([]any)
	if len(keys) != 2 {
		t.Fatalf("keys %q", keys)
	}
	for _, k := range keys {
		kind, _ := server.Do("TYPE", k).(string)
		count := map[string]string{"hash": "HLEN", "zset": "ZCARD"}[kind]
		if n, _ := server.Do(count, k).(int64); n != most {
			t.Errorf("%s of %s: %d, want %d", count, k, n, most)
		}
		bytes, _ := server.Do("MEMORY", "USAGE", k, "SAMPLES", "100").(int64)
		t.Logf("%s: %d bytes, %d for each of %d", k, bytes, bytes/most, most)
		if left, _ := server.Do("PTTL", k).(int64); left < 49*3600*1000 || left > 51*3600*1000 {
			t.Errorf("%s expires in %d ms, want 50 h", k, left)
		}
	}
	if got, err := r.Lend(t.Context(), []limits.Ask{begin}); err != nil || got[0].Owed < 99 {
		t.Errorf("who owes most was forgotten: %+v, %v", got, err)
	}
}

// Installations that share one Redis don't share accounts.
func TestRedisOfTwoInstallations(t *testing.T) {
	t.Parallel()
	url := redistest.New(t).Open()
	ours := connect(t, url)
	theirs, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: url, Secret: []byte("another"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	if _, err := ours.Lend(t.Context(), []limits.Ask{ask(client(1), 1, 100, 50, 1)}); err != nil {
		t.Fatal(err)
	}
	if debts, err := theirs.Debts(t.Context()); err != nil || len(debts) != 0 {
		t.Errorf("%+v, %v", debts, err)
	}
}

// Redis is killed, or hangs, after a client has taken all it gets from three servers: nobody sees an error, each server holds to
// its part and says so, and when Redis is there again they share again.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		server := redistest.New(t)
		away(t, server, server.Kill, server.Start)
	})
	t.Run("hangs", func(t *testing.T) {
		t.Parallel()
		server := redistest.New(t)
		away(t, server, server.Pause, server.Resume)
	})
}

func away(t *testing.T, server *redistest.Server, leave, comeBack func()) {
	t.Helper()
	url, pool := database(t)
	pretend(t, pool, 3)
	p := perClient(limits.Rate{Count: 1, Per: time.Hour}, 90)
	var servers []*ratelimit.Service
	var stores []*ratelimit.Redis
	for range 3 {
		r := connect(t, server.Open())
		stores = append(stores, r)
		servers = append(servers, start(t, url, pool, p, in(r)))
	}
	shared := func() bool {
		for i, s := range servers {
			if st := s.Status(); st.Local || st.Servers != 3 || stores[i].Breaker.Check() != nil {
				return false
			}
		}
		return true
	}
	use := func(address string, n int, at ...*ratelimit.Service) (admitted int) {
		for i := range n {
			if !at[i%len(at)].Decide(context.Background(), "any", true, from(address)).Refused {
				admitted++
			}
		}
		return admitted
	}
	eventually(t, "sharing", shared)
	if got := use("192.0.2.1", 240, servers[0]); got < 85 || got > 90 {
		t.Fatalf("%d admitted by one of three servers of a burst of 90", got)
	}
	eventually(t, "the others to know who owes", func() bool { return servers[1].Status().Loans > 0 && servers[2].Status().Loans > 0 })
	leave()
	if got := use("192.0.2.1", 90, servers...); got > 3 {
		t.Errorf("%d admitted of a client that has had everything", got)
	}
	eventually(t, "each on its own, and degraded", func() bool {
		for i, s := range servers {
			if st := s.Status(); !st.Local || st.Servers != 3 || stores[i].Breaker.State() == breaker.Closed {
				return false
			}
		}
		return true
	})
	if got := use("192.0.2.2", 240, servers...); got != 90 {
		t.Errorf("%d admitted of a new client, want 30 by each", got)
	}
	v, err := ratelimit.NewStore(pool).Apply(t.Context(), 0, perClient(limits.Rate{Count: 1, Per: time.Hour}, 120), "ana", "redis is away")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		eventually(t, "a policy without Redis", func() bool { return s.Status().Version == v.Version })
	}
	comeBack()
	eventually(t, "sharing again", shared)
	if got := use("192.0.2.2", 240, servers...); got < 25 || got > 30+120/8 {
		t.Errorf("%d admitted afterwards of the 30 that were left", got)
	}
}

// A wrong password, a port that nobody listens on, one where nobody answers and a Redis without TLS degrade; they fail no request, and no log tells the password.
func TestRedisThatRefuses(t *testing.T) {
	t.Parallel()
	server := redistest.New(t)
	url, pool := database(t)
	pretend(t, pool, 3)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections, and nobody reads them
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, at := range map[string]string{
		"wrong password": server.URL("guessed"), "nobody": "redis://:guessed@127.0.0.1:1", "silent": "redis://:guessed@" + silent.Addr().String(),
		"TLS": strings.Replace(server.URL("guessed"), "redis:", "rediss:", 1),
	} {
		var log safe
		r, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: at, Secret: secret(), Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, url, pool, perClient(limits.Rate{Count: 1, Per: time.Hour}, 30), in(r))
		eventually(t, name+": degraded", func() bool { return r.Breaker.Check() != nil })
		if st := s.Status(); !st.Local || st.Servers != 3 {
			t.Errorf("%s: %+v", name, st)
		}
		admitted := 0
		for range 40 {
			if !s.Decide(t.Context(), "any", true, from("192.0.2.1")).Refused {
				admitted++
			}
		}
		if admitted != 10 {
			t.Errorf("%s: %d admitted, want a third of 30", name, admitted)
		}
		if text := log.String(); text == "" || strings.Contains(text, "guessed") {
			t.Errorf("%s: log %q", name, text)
		}
	}
}

// A server that dies gives back what it had borrowed: the others give the client its whole rate without it.
func TestDeadServerGivesBack(t *testing.T) {
	t.Parallel()
	for name, open := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			accounts := open(t)
			const perSecond, burst = 100, 100
			if got, err := accounts.Lend(t.Context(), []limits.Ask{ask(client(1), perSecond, burst, 0, burst)}); err != nil || got[0].Granted != burst {
				t.Fatalf("%+v, %v", got, err)
			}
			if got, err := accounts.Lend(t.Context(), []limits.Ask{ask(client(1), perSecond, burst, 0, burst)}); err != nil || got[0].Granted > burst/2 {
				t.Fatalf("it is lent twice: %+v, %v", got, err)
			}
			got := int64(0) // and whoever had it is never heard of again
			eventually(t, "the burst to come back", func() bool {
				loans, err := accounts.Lend(t.Context(), []limits.Ask{ask(client(1), perSecond, burst, 0, 10)})
				if err != nil {
					t.Fatal(err)
				}
				got += loans[0].Granted
				return got >= burst
			})
		})
	}
}

// Over TLS, as a user who may do what the documentation lists and nothing else, in a database of its own.
func TestRedisOverTLS(t *testing.T) {
	t.Parallel()
	server, trust := redistest.NewTLS(t)
	rights := []any{"SETUSER", "limits", "on", ">s3cret", "~platctl:*"}
	for right := range strings.FieldsSeq(documentedRights(t)) {
		rights = append(rights, right)
	}
	server.Do("ACL", rights...)
	at := "rediss://limits:s3cret@" + server.TLS + "/3"
	r, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: at, Secret: secret(), TLS: trust, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if got, err := r.Lend(t.Context(), []limits.Ask{ask(client(1), 1, 100, 60, 30)}); err != nil || got[0].Granted != 30 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := r.Debts(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	gone := ask(client(2), 1_000_000, 100, 1, 0)
	for range 2 { // the second forgets what the first left, with the commands for that
		if _, err := r.Lend(t.Context(), []limits.Ask{gone}); err != nil {
			t.Error(err)
		}
	}
	if _, err := connect(t, at).Debts(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that the system doesn't trust: %v", err)
	}
}

// documentedRights is the list of docs/ratelimit.md.
func documentedRights(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/ratelimit.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(text), "`~platctl:*` and `")
	if list, _, _ = strings.Cut(list, "`"); !ok || list == "" {
		t.Fatal("docs/ratelimit.md lists no rights")
	}
	return list
}

// What is no URL of a Redis is refused before anything connects, and the error doesn't tell the password.
func TestRedisURL(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "127.0.0.1:6379", "http://:s3cret@h", "redis://", "redis://:s3cret@h/x", "redis://:s3cret@h/-1", "redis://:s3cret@h:x", "redis://:s3cret@h?db=1"} {
		_, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: bad, Log: slog.New(slog.DiscardHandler)})
		if !errors.Is(err, fault.Config) || strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []string{"redis://h", "redis://h/", "rediss://user:s3cret@h:6380/3"} {
		if _, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: good, Log: slog.New(slog.DiscardHandler)}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// safe is a buffer for several goroutines.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns what was written.
func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
