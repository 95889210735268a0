package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/events"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func pool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	p, err := pg.Open(t.Context(), pgtest.New(t, apitest.Template(t)), pg.Options{MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

const insert = `insert into app_events (kind, payload, trace_id)
	select 'post_created', jsonb_build_object('n', i), lpad(to_hex(i), 32, '0') from generate_series(1, $1::int) i`

// log keeps the ids of told events.
type told struct {
	mu  sync.Mutex
	ids map[int64]int
}

func (l *told) Write(p []byte) (int, error) {
	var line struct {
		Event   string
		EventID int64  `json:"event_id"`
		TraceID string `json:"trace_id"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(p), &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if line.Event == "post_created" && len(line.TraceID) == 32 {
		l.ids[line.EventID]++
	}
	return len(p), nil
}

// Several relays at once tell each event exactly once between them when none dies.
func TestRelaysShareTheWork(t *testing.T) {
	t.Parallel()
	p := pool(t)
	if _, err := p.Exec(t.Context(), insert, 1500); err != nil {
		t.Fatal(err)
	}
	out := &told{ids: map[int64]int{}}
	log := slog.New(slog.NewJSONHandler(out, nil))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				n, err := events.NewRelay(p, log, time.Second).Once(t.Context())
				if err != nil {
					t.Error(err)
				}
				if n == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	if len(out.ids) != 1500 {
		t.Errorf("told %d of 1500 events", len(out.ids))
	}
	for id, n := range out.ids {
		if n != 1 {
			t.Errorf("event %d was told %d times", id, n)
		}
	}
}

// A relay that dies after it has written the line and before it commits leaves the event to the next: told twice, lost
// never. An event that was not committed yet is not told, and is not skipped once it is.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	p := pool(t)
	out := &told{ids: map[int64]int{}}
	log := slog.New(slog.NewJSONHandler(out, nil))
	slow, err := p.Begin(t.Context()) // takes the lower ids and commits last
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Exec(t.Context(), insert, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exec(t.Context(), insert, 5); err != nil {
		t.Fatal(err)
	}
	dying, cancel := context.WithCancel(t.Context())
	killer := slog.New(slog.NewJSONHandler(writerFunc(func(b []byte) (int, error) { cancel(); return out.Write(b) }), nil))
	if n, err := events.NewRelay(p, killer, time.Second).Once(dying); err == nil {
		t.Fatalf("a relay that was cut off told %d events without an error", n)
	}
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 10, or 5 when the commit had reached the server before the cut: its lines were written then, too.
	if n, err := events.NewRelay(p, log, time.Second).Once(t.Context()); err != nil || n != 10 && n != 5 {
		t.Errorf("the next relay told %d events, %v", n, err)
	}
	if len(out.ids) != 10 {
		t.Errorf("told %d of 10 events", len(out.ids))
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Run tells what is there when it is asked to stop.
func TestLastPass(t *testing.T) {
	t.Parallel()
	p := pool(t)
	out := &told{ids: map[int64]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Exec(t.Context(), insert, 3); err != nil {
		t.Fatal(err)
	}
	events.NewRelay(p, slog.New(slog.NewJSONHandler(out, nil)), time.Hour).Run(ctx)
	if len(out.ids) != 3 {
		t.Errorf("told %d of 3 events", len(out.ids))
	}
	var pending int
	err := p.QueryRow(t.Context(), "select count(*) from app_events where emitted_at is null").Scan(&pending)
	if err != nil && err != pgx.ErrNoRows || pending != 0 {
		t.Errorf("%d pending, %v", pending, err)
	}
}
