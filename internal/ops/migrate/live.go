package migrate

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/live.sql
var sqlLive string

// Live is a run that is going on.
type Live struct {
	Runner   Session   `json:"runner"`
	Blockers []Session `json:"blockers"` // that it waits for: For is how long their transaction has been open
	Waiting  []Session `json:"waiting"`  // that wait for it, the longest first
}

// Session is a session of the database.
type Session struct {
	PID   int    `json:"pid"`
	App   string `json:"application_name,omitempty"`
	User  string `json:"user"`
	State string `json:"state"` // active, idle in transaction, …
	Query string `json:"query"` // the last one, up to 300 characters
	ForMS int64  `json:"for_ms"`
}

// next is what to do about it. A migration that waits for a lock holds up whoever comes after it until lock_timeout; it is tried
// again, so nothing has to be stopped but what holds the lock.
func (l *Live) next() string {
	if len(l.Blockers) == 0 {
		return "wait for it; platctl migrate status shows how far it is"
	}
	return fmt.Sprintf("it waits for session %d and is tried again; to make way for it: %s", l.Blockers[0].PID, l.Blockers[0].makeWay())
}

// live returns the run that is going on, nil where none is. It takes no lock.
func live(ctx context.Context, db Querier) (*Live, error) {
	rows, err := db.Query(ctx, sqlLive, pgx.QueryExecModeExec, lockKey)
	if err != nil {
		return nil, databaseFault(err, "what runs now can't be read")
	}
	l := &Live{Blockers: []Session{}, Waiting: []Session{}}
	found := false
	var role string
	var s Session
	var forMS *int64
	_, err = pgx.ForEachRow(rows, []any{&role, &s.PID, &s.App, &s.User, &s.State, &s.Query, &forMS}, func() error {
		if s.ForMS = 0; forMS != nil {
			s.ForMS = *forMS
		}
		switch role {
		case "runner":
			l.Runner, found = s, true
		case "blocker":
			l.Blockers = append(l.Blockers, s)
		default:
			l.Waiting = append(l.Waiting, s)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, databaseFault(err, "what runs now can't be read")
	case !found:
		return nil, nil
	}
	return l, nil
}
