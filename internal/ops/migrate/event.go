package migrate

import (
	"fmt"
	"time"
)

// EventKind says what happened.
type EventKind string

// The events of a run, in the order in which they can happen.
const (
	EventWaiting   EventKind = "waiting"   // another runner has the lock: Holder
	EventWarning   EventKind = "warning"   // Message
	EventStarted   EventKind = "started"   // Version, Name, Total
	EventResumed   EventKind = "resumed"   // like started, from statement Done+1
	EventStatement EventKind = "statement" // Done of Total, Took
	EventRetry     EventKind = "retry"     // the file, or statement Done+1, didn't get a lock from Blockers; again after Took
	EventProgress  EventKind = "progress"  // of a backfill: Progress, Took, Left
	EventApplied   EventKind = "applied"   // Took
	EventReverted  EventKind = "reverted"  // like applied, on the way down
	EventFailed    EventKind = "failed"    // Message
)

// Event is one thing that happened in a run.
type Event struct {
	Kind    EventKind     `json:"kind"`
	Version int64         `json:"version,omitempty"`
	Name    string        `json:"name,omitempty"`
	Done    int           `json:"done,omitempty"`
	Total   int           `json:"total,omitempty"`
	Attempt int           `json:"attempt,omitempty"`
	Took    time.Duration `json:"took_ns,omitempty"`
	Message string        `json:"message,omitempty"`
	Left    time.Duration `json:"left_ns,omitempty"` // as the rate until now has it; 0: not known
	// Progress is of a backfill that is started, resumed or at work.
	Progress *Progress `json:"progress,omitempty"`
	Holder   *Holder   `json:"holder,omitempty"`
	// Blockers are the sessions that a retry has waited for.
	Blockers []Session `json:"blockers,omitempty"`
}

// Holder is the session that has the runner's lock.
type Holder struct {
	PID   int       `json:"pid"`
	App   string    `json:"application_name"`
	User  string    `json:"user"`
	Since time.Time `json:"since"` // when the session began
}

// String names the holder for a message.
func (h *Holder) String() string {
	if h == nil {
		return "another session"
	}
	app := ""
	if h.App != "" {
		app = fmt.Sprintf(" (%s)", h.App)
	}
	return fmt.Sprintf("database session %d%s of %s, since %s", h.PID, app, h.User, h.Since.UTC().Format(time.RFC3339))
}
