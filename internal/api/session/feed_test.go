package session_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const patience = time.Minute

// follow runs a feed on a new database until the test ends.
func follow(t *testing.T) (*pgxpool.Pool, *session.DenyMap, *session.Feed) {
	t.Helper()
	pool, err := pg.Open(t.Context(), pgtest.New(t, apitest.Template(t)), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	deny := session.NewDenyMap()
	feed := newFeed(pool, deny, "test")
	stop, ended := run(t, feed)
	t.Cleanup(func() { stop(); <-ended })
	return pool, deny, feed
}

func newFeed(pool *pgxpool.Pool, deny *session.DenyMap, name string) *session.Feed {
	return session.NewFeed(deny, session.FeedOptions{
		Replica: name, Log: slog.New(slog.DiscardHandler),
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			return pgx.ConnectConfig(ctx, pg.ForListening(pool.Config().ConnConfig))
		},
	})
}

// run returns once the feed has read, how to stop it, and what is closed when it has ended.
func run(t *testing.T, feed *session.Feed) (stop func(), ended <-chan struct{}) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	end := make(chan struct{})
	go func() {
		defer close(end)
		feed.Run(ctx)
	}()
	select {
	case <-feed.Loaded():
	case <-time.After(patience):
		stop()
		t.Fatal("nothing was read")
	}
	return stop, end
}

// denied waits until a session is refused and returns how long that took.
func denied(t *testing.T, deny *session.DenyMap, id int64) time.Duration {
	t.Helper()
	start := time.Now()
	for !deny.Denies(1, id) {
		if time.Since(start) > patience {
			t.Fatalf("session %d is not refused", id)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(start)
}

const insert = `insert into revocations (kind, subject, expires_at) values ('session', $1, now() + interval '10 minutes')`

// A transaction that took its number first and commits last is not missed, and a transaction of somebody else that goes on
// for long holds nothing up.
func TestFeedMissesNothing(t *testing.T) {
	t.Parallel()
	pool, deny, feed := follow(t)
	ctx := t.Context()
	long, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer long.Rollback(context.WithoutCancel(ctx))
	if _, err := long.Exec(ctx, "select pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	slow, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Exec(ctx, insert, 101); err != nil {
		t.Fatal(err)
	}
	for id := int64(102); id < 110; id++ {
		if _, err := pool.Exec(ctx, insert, id); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("refused after %s, with an older transaction open", denied(t, deny, 109))
	if deny.Denies(1, 101) {
		t.Error("refused before it was committed")
	}
	if err := slow.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("the slow one after %s", denied(t, deny, 101))
	for start := time.Now(); ; {
		st, err := session.ReadStatus(ctx, pool)
		if err == nil && st.Backlog == 0 && st.Revocations == 9 && st.Replicas[0].AppliedSeq == st.NewestSeq && feed.Backlog() == 0 {
			break
		}
		if err != nil || time.Since(start) > patience {
			t.Fatalf("status = %+v, %v", st, err)
		}
	}
}

// What a server of the release before wrote refuses everything of the user: it has no number of a session.
func TestFeedReadsTheReleaseBefore(t *testing.T) {
	t.Parallel()
	pool, deny, _ := follow(t)
	if _, err := pool.Exec(t.Context(), "insert into revocations (kind, subject, expires_at) values ('user', 1, now() + interval '1 minute')"); err != nil {
		t.Fatal(err)
	}
	denied(t, deny, 4711)
}

// What was revoked before a server started is refused by it once it has started.
func TestFeedLoadsWhatIsThere(t *testing.T) {
	t.Parallel()
	pool, deny, feed := follow(t)
	if _, err := pool.Exec(t.Context(), insert, 7); err != nil {
		t.Fatal(err)
	}
	denied(t, deny, 7)
	second := session.NewDenyMap()
	late := newFeed(pool, second, "late")
	if !late.Fenced() || feed.Fenced() {
		t.Errorf("fenced: %v before the first read, %v after it", late.Fenced(), feed.Fenced())
	}
	stop, ended := run(t, late)
	if !second.Denies(1, 7) || late.Fenced() {
		t.Error("loaded, and what was there is not refused")
	}
	stop()
	<-ended
}

// A server that is stopped in the middle of a read is not counted afterwards.
func TestFeedStopsInTheMiddleOfARead(t *testing.T) {
	t.Parallel()
	pool, _, _ := follow(t)
	stop, ended := run(t, newFeed(pool, session.NewDenyMap(), "stopped"))
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table revocations in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	for waiting, start := 0, time.Now(); waiting < 2; { // both feeds
		if err := pool.QueryRow(t.Context(), "select count(*) from pg_locks where not granted and relation = 'revocations'::regclass").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if time.Since(start) > patience {
			t.Fatal("nobody reads")
		}
	}
	stop()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
	if st, err := session.ReadStatus(t.Context(), pool); err != nil || len(st.Replicas) != 1 {
		t.Errorf("a server that ended is still counted: %+v, %v", st, err)
	}
}
