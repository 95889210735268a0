package session

import (
	"context"
	"time"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

const (
	// behindAfter is the age of an unapplied revocation that is not normal any more: the bound is a second.
	behindAfter = 2 * time.Second
	// goneAfter is the silence after which a server has ended or been cut off for good; it fenced itself long before.
	goneAfter = time.Minute
)

// State is how a replica does.
type State string

// The states.
const (
	Current State = "current"
	Behind  State = "behind" // alive, and a revocation older than two seconds is not applied
	Silent  State = "silent" // no heart-beat for FenceAfter: it fences itself, or it was killed
	Gone    State = "gone"   // silent for a minute: counted no more
)

// Replica is one server as its heart-beat shows it.
type Replica struct {
	ID            string    `json:"id"`
	State         State     `json:"state"`
	StartedAt     time.Time `json:"started_at"`
	AppliedAt     time.Time `json:"applied_at"`
	AppliedSeq    int64     `json:"applied_seq"`
	Backlog       int64     `json:"backlog"` // live revocations that it had not applied
	BehindSeconds float64   `json:"behind_seconds"`
	SilentSeconds float64   `json:"silent_seconds"`
}

// Status is how revocation does.
type Status struct {
	Revocations int64     `json:"revocations"` // live ones
	NewestSeq   int64     `json:"newest_seq"`
	Backlog     int64     `json:"backlog"` // of the replica that is furthest behind
	Replicas    []Replica `json:"replicas"`
}

// ReadStatus asks the database.
func ReadStatus(ctx context.Context, d db.DBTX) (Status, error) {
	q := db.New(d)
	totals, err := q.RevocationTotals(ctx)
	if err != nil {
		return Status{}, fault.Op("read revocations", err)
	}
	st := Status{Revocations: totals.Live, NewestSeq: totals.NewestSeq}
	st.Replicas, err = readReplicas(ctx, q)
	for _, r := range st.Replicas {
		st.Backlog = max(st.Backlog, r.Backlog)
	}
	return st, err
}

// readReplicas returns every replica; one that is gone has no backlog, because nobody waits for it.
func readReplicas(ctx context.Context, q *db.Queries) ([]Replica, error) {
	rows, err := q.ReplicaStatus(ctx)
	if err != nil {
		return nil, fault.Op("read replicas", err)
	}
	out := make([]Replica, len(rows))
	for i, r := range rows {
		out[i] = Replica{
			ID: r.ID, StartedAt: r.StartedAt, AppliedAt: r.AppliedAt, AppliedSeq: r.AppliedSeq,
			Backlog: r.Backlog, BehindSeconds: r.BehindSeconds, SilentSeconds: r.SilentSeconds,
		}
		out[i].State = out[i].state()
		if out[i].State == Gone {
			out[i].Backlog, out[i].BehindSeconds = 0, 0
		}
	}
	return out, nil
}

func (r Replica) state() State {
	switch {
	case r.SilentSeconds > goneAfter.Seconds():
		return Gone
	case r.SilentSeconds > FenceAfter.Seconds():
		return Silent
	case r.BehindSeconds > behindAfter.Seconds():
		return Behind
	}
	return Current
}

// Verdict is an error of kind No when a replica is behind or silent, or when there is none.
func (s Status) Verdict() error {
	live := 0
	for _, r := range s.Replicas {
		switch r.State {
		case Behind:
			return fault.New(fault.No, "%s has not applied %d revocations, the oldest for %.1f s", r.ID, r.Backlog, r.BehindSeconds).
				WithHint("look at the log and the database connection of that server; end it if it does not recover")
		case Silent:
			return fault.New(fault.No, "%s has been silent for %.0f s; it asks the database at each request, or it was killed", r.ID, r.SilentSeconds).
				WithHint("look whether that server still runs; its row is dropped from the count after a minute")
		case Current:
			live++
		}
	}
	if live == 0 {
		return fault.New(fault.No, "no server has a heart-beat in this database").
			WithHint("`platctl serve` writes one every second; is this the server's database?")
	}
	return nil
}
