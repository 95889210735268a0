package migrate

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg"
)

//go:embed sql/blockers.sql
var sqlBlockers string

// How long a statement may take before somebody looks whether it waits, and how often then.
const (
	watchAfter = 100 * time.Millisecond
	watchEvery = 200 * time.Millisecond
)

// watcher looks from a connection of its own who is in the runner's way. The server tells it only while the runner waits:
// once it has given up, nobody knows.
type watcher struct {
	url  string
	conn *pgx.Conn // nil until somebody waits long enough
}

// during runs fn and returns who was in its way when it was last looked at. What can't be seen is no error: the run goes on.
func (w *watcher) during(ctx context.Context, pid uint32, limit time.Duration, fn func() error) ([]Session, error) {
	ctx, stop := context.WithCancel(ctx)
	seen := make(chan []Session)
	go func() {
		var last []Session
		wait := watchAfter
		if limit > 0 {
			wait = min(wait, limit/2)
		}
		for sleep(ctx, wait) == nil {
			if now := w.look(ctx, pid); len(now) > 0 {
				last = now
			}
			wait = watchEvery
		}
		seen <- last
	}()
	err := fn()
	stop()
	return <-seen, err
}

func (w *watcher) look(ctx context.Context, pid uint32) []Session {
	if w.conn == nil || w.conn.IsClosed() {
		// An attempt may be over before there is a connection; the next one has it then.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		conn, err := pg.Connect(ctx, w.url, "platctl migrate, watching")
		if err != nil {
			return nil
		}
		w.conn = conn
	}
	rows, err := w.conn.Query(ctx, sqlBlockers, pid)
	if err != nil {
		return nil
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Session, err error) {
		return s, row.Scan(&s.PID, &s.App, &s.User, &s.State, &s.Query, &s.ForMS)
	})
	if err != nil {
		return nil
	}
	return list
}

func (w *watcher) close(ctx context.Context) {
	if w.conn != nil {
		_ = w.conn.Close(ctx)
	}
}

// String names the session for a message.
func (s Session) String() string {
	app := ""
	if s.App != "" {
		app = fmt.Sprintf(" (%s)", s.App)
	}
	return fmt.Sprintf("session %d%s of %s, %s, its transaction open for %s, at: %s", s.PID, app, s.User, s.State,
		(time.Duration(s.ForMS) * time.Millisecond).Round(time.Millisecond), strings.Join(strings.Fields(s.Query), " "))
}

// makeWay is the call that ends what the session holds.
func (s Session) makeWay() string {
	end := "pg_cancel_backend"
	if s.State != "active" {
		end = "pg_terminate_backend" // there is no statement to cancel
	}
	return fmt.Sprintf("platctl db psql -- -c 'select %s(%d)'", end, s.PID)
}

// inTheWay tells of the sessions that were in the way, empty where none was seen.
func inTheWay(blockers []Session) string {
	var out []string
	for _, b := range blockers {
		out = append(out, b.String())
	}
	return strings.Join(out, "; ")
}
