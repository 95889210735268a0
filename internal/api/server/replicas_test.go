package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

const patience = time.Minute // for what takes a second on a quiet machine

// me returns the status of a request with an access token; 0 when it was lost. It asks for the sessions: the profile of
// somebody banned answers 401 before the token is refused.
func me(t *testing.T, env *apitest.Env, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env.URL+"/api/v1/me/sessions", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Errorf("lost a request: %v", err)
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

// eventuallyRefused asks until the token is refused, and returns how long that took.
func eventuallyRefused(t *testing.T, env *apitest.Env, token string) time.Duration {
	t.Helper()
	for start := time.Now(); ; {
		got := me(t, env, token)
		if got == http.StatusUnauthorized {
			return time.Since(start)
		}
		if got != http.StatusOK || time.Since(start) > patience {
			t.Fatalf("answered %d after %s", got, time.Since(start))
		}
	}
}

// A session that one of three servers ends is refused by the two others within a second: woken by the notification, and by
// the poll alone when notifications are lost.
func TestRevocationReachesEveryReplica(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	envs := []*apitest.Env{apitest.On(t, url), apitest.On(t, url), apitest.On(t, url)}
	envs[0].Signup("ana")
	measure := func(rounds int) (worst time.Duration) {
		for range rounds {
			s, c := login(t, envs[0], "ana", password)
			for _, e := range envs {
				alive(t, e, "a session opened on another server", s)
			}
			start := time.Now()
			if _, err := c.Logout(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := me(t, envs[0], s.AccessToken); got != http.StatusUnauthorized {
				t.Errorf("the server that ended the session answers %d", got)
			}
			for _, e := range envs[1:] {
				eventuallyRefused(t, e, s.AccessToken)
			}
			worst = max(worst, time.Since(start))
		}
		return worst
	}
	t.Logf("from the logout being sent to the last server refusing, at worst: %s", measure(10))
	if _, err := envs[0].Pool.Exec(t.Context(), "drop trigger revocations_wake on revocations"); err != nil {
		t.Fatal(err)
	}
	t.Logf("without notifications, at worst: %s", measure(4))

	st, err := session.ReadStatus(t.Context(), envs[0].Pool)
	if err != nil || len(st.Replicas) != 3 || st.Verdict() != nil {
		t.Errorf("status = %+v, %v, %v", st, err, st.Verdict())
	}
	envs[2].Server.Stop()
	if st, err = session.ReadStatus(t.Context(), envs[0].Pool); err != nil || len(st.Replicas) != 2 {
		t.Errorf("a server that ended is still counted: %+v, %v", st, err)
	}
}

// wire carries a feed's connections until it is cut; then it keeps them open and carries nothing, as a network that drops
// packets does.
type wire struct {
	net.Listener
	cut atomic.Bool
}

// through makes o's feed go over the wire.
func (w *wire) through(o *server.Options) {
	cfg := o.Pool.Config().ConnConfig
	direct := cfg.DialFunc
	network, addr := "unix", cfg.Host+"/.s.PGSQL."+strconv.Itoa(int(cfg.Port))
	if cfg.Host[0] != '/' {
		network, addr = "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
	}
	go func() {
		for {
			in, err := w.Accept()
			if err != nil {
				return
			}
			out, err := direct(context.Background(), network, addr)
			if err != nil {
				_ = in.Close()
				continue
			}
			go w.carry(in, out)
			go w.carry(out, in)
		}
	}()
	o.FeedConnect = func(ctx context.Context) (*pgx.Conn, error) {
		c := cfg.Copy()
		c.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", w.Addr().String())
		}
		return pgx.ConnectConfig(ctx, c)
	}
}

func (w *wire) carry(from, to net.Conn) {
	defer from.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			_ = to.Close()
			return
		}
		if w.cut.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A server whose feed hangs fences itself: within six seconds it is not ready and refuses what was revoked meanwhile, by
// asking the database. It recovers by itself.
func TestFence(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	url := pgtest.New(t, apitest.Template(t))
	healthy, cutOff := apitest.On(t, url), apitest.On(t, url, w.through)
	revoked, c := healthy.Signup("ana")
	other, _ := healthy.Signup("ben")
	alive(t, cutOff, "before the cut", revoked)
	if code, body := get(t, cutOff, "/api/ready"); code != http.StatusOK {
		t.Fatalf("ready before the cut: %d %s", code, body)
	}
	start := time.Now()
	w.cut.Store(true)
	if _, err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventuallyRefused(t, cutOff, revoked.AccessToken)
	took := time.Since(start)
	t.Logf("cut off, it refuses a revoked session after %s", took)
	if took < time.Second {
		t.Errorf("after %s already: the cut does not cut", took)
	}
	if code, body := get(t, cutOff, "/api/ready"); code != http.StatusServiceUnavailable {
		t.Errorf("ready while fenced: %d %s", code, body)
	}
	alive(t, cutOff, "a live session on a fenced server", other)
	st, err := session.ReadStatus(t.Context(), healthy.Pool)
	if err != nil || st.Verdict() == nil || st.Backlog < 1 {
		t.Errorf("status of a fenced server = %+v, %v, %v", st, err, st.Verdict())
	}

	w.cut.Store(false)
	for begin := time.Now(); ; {
		code, body := get(t, cutOff, "/api/ready")
		if code == http.StatusOK {
			t.Logf("ready again %s after the wire was whole", time.Since(begin))
			break
		}
		if time.Since(begin) > patience {
			t.Fatalf("still fenced: %s", body)
		}
	}
	if got := me(t, cutOff, revoked.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("after the recovery the revoked session answers %d", got)
	}
}

// A fenced server that can't reach the database either answers 503: it does not know, and does not guess.
func TestFencedWithoutDatabase(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	env.Server.Stop()
	closeDatabase(t, env)
	for start := time.Now(); ; {
		_, err := env.Client(ana.AccessToken).GetMe(t.Context())
		var p *client.ProblemStatusCode
		if !errors.As(err, &p) || p.StatusCode != http.StatusServiceUnavailable || time.Since(start) > patience {
			t.Fatalf("after %s: %v", time.Since(start), err)
		}
		if p.Response.Code == "session_unchecked" {
			break // before, its deny map was fresh enough, and only the profile could not be read
		}
	}
}

// The session that listens is killed while a revocation is written: everything is read again after the new connection.
func TestFeedReconnects(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	envs := []*apitest.Env{apitest.On(t, url), apitest.On(t, url)}
	envs[0].Signup("ana")
	for range 3 {
		s, c := login(t, envs[0], "ana", password)
		alive(t, envs[1], "before", s)
		tag, err := envs[0].Pool.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and application_name = 'platctl revocations'`)
		if err != nil || tag.RowsAffected() < 1 {
			t.Fatalf("%d sessions ended, %v", tag.RowsAffected(), err)
		}
		if _, err := c.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("refused after %s", eventuallyRefused(t, envs[1], s.AccessToken))
	}
}
