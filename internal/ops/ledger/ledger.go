// Package ledger is the history of what ran on a host: an append-only file, one JSON event a line.
//
// Invariants: every event carries its number and the SHA-256 of the line before it, so a changed, lost or inserted line
// shows; an event is on the disk (fsync) before Append returns; one writer at a time (flock). A line that a crash tore is
// never read as an event, and the next Append moves it aside (<file>.torn) instead of writing behind it. Reading never
// fails because of one bad line: it returns the readable events and says what is wrong, because a rollback at 3 a.m. has
// to work with whatever is left.
package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

// Kind says what an event is about.
type Kind string

// The kinds of events.
const (
	Stage    Kind = "stage"    // a release was copied to the host and verified
	Expand   Kind = "expand"   // its migrations ran, before the cut-over
	Start    Kind = "start"    // it was started and became ready, or did not
	Swap     Kind = "swap"     // the edge routes to it
	Verdict  Kind = "verdict"  // it is good or bad
	Rollback Kind = "rollback" // the edge went back to it; From was left behind
	Retire   Kind = "retire"   // it was stopped
	Lock     Kind = "lock"     // the lock of a dead owner was taken over
)

// Results of an event.
const (
	OK          = "ok"
	Failed      = "failed"
	Interrupted = "interrupted"
	Good        = "good" // of a verdict: it may be a target of a rollback
	Bad         = "bad"  // of a verdict: it is never chosen again
)

// Event is one line, schema platctl.ledger/v1. Append fills Schema, Seq, Prev and, where it is zero, TS.
type Event struct {
	Schema       string    `json:"schema"`
	Seq          uint64    `json:"seq"`
	Prev         string    `json:"prev"` // SHA-256 of the previous line; of nothing for the first
	TS           time.Time `json:"ts"`
	Kind         Kind      `json:"kind"`
	App          string    `json:"app"`
	ReleaseID    string    `json:"release_id,omitempty"` // <number>-<version>
	Version      string    `json:"version,omitempty"`
	Digest       string    `json:"digest,omitempty"` // SHA-256 of the release's manifest
	From         string    `json:"from,omitempty"`   // the release that was left
	Actor        Actor     `json:"actor"`
	Why          string    `json:"why,omitempty"`
	Result       string    `json:"result"`
	DurMS        int64     `json:"dur_ms"`
	Counters     *Counters `json:"counters,omitempty"`
	FencingToken uint64    `json:"fencing_token,omitempty"`
}

// Actor is who did it.
type Actor struct {
	User  string `json:"user"`
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	CIURL string `json:"ci_url,omitempty"`
}

// Counters are requests of a release as the edge counted them.
type Counters struct {
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"` // 5xx answers and upstream errors
	Retried  uint64 `json:"retried"`
}

// Schema is the format's name and version.
func Schema() format.Schema { return format.Schema{Name: "platctl.ledger", Version: 1} }

// MaxLine is the longest line a reader takes, in bytes. An event is a few hundred bytes; the limit keeps a damaged file
// from being read into memory as one line.
const MaxLine = 1 << 20

const (
	maxWrite = 64 << 10
	maxSeq   = 1 << 53 // a damaged number must not make the next one wrap
)

func hashLine(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// seal numbers e, links it to the line before and returns its line without the newline.
func seal(e Event, seq uint64, prev string, now time.Time) (Event, []byte, error) {
	e.Schema, e.Seq, e.Prev = Schema().String(), seq, prev
	if e.TS.IsZero() {
		e.TS = now
	}
	e.TS = e.TS.UTC()
	b, err := json.Marshal(e)
	if err != nil {
		return e, nil, fault.Wrap(err, fault.Internal, "a ledger event can't be encoded")
	}
	if len(b) > maxWrite {
		return e, nil, fault.New(fault.Invalid, "a ledger event of %d bytes is longer than %d", len(b), maxWrite)
	}
	return e, b, nil
}
