// Package events tells what happened: rows that writers put into app_events in their own transaction become structured log
// lines.
//
// Invariants: at least once, never lost. A line is written before the claim commits, so a relay that dies in between leaves
// the event to the next one; the event's id tells repetitions apart. Any number of replicas may relay at once.
package events

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// The kinds of events.
const (
	UserSignup       = "user_signup"
	PostCreated      = "post_created"
	MediaAttached    = "media_attached"
	ModerationAction = "moderation_action"
	UserDeleted      = "user_deleted"
	UserRestored     = "user_restored"
	UserPurged       = "user_purged"
	// An order's steps, each with order_id, farm_id, buyer_id, total, currency and by.
	OrderPlaced    = "order_placed"
	OrderConfirmed = "order_confirmed"
	OrderReady     = "order_ready"
	OrderCompleted = "order_completed"
	OrderCancelled = "order_cancelled"
)

const batch = 200

// Relay moves events from the table to the log.
type Relay struct {
	pool  *pgxpool.Pool
	log   *slog.Logger
	every time.Duration
}

// NewRelay returns a Relay that looks for events every so often.
func NewRelay(pool *pgxpool.Pool, log *slog.Logger, every time.Duration) *Relay {
	return &Relay{pool: pool, log: log, every: every}
}

// Run relays until ctx ends, and once more after that, so that what the last requests wrote is told before the process
// ends. A database that is away is a warning: the events wait in it.
func (r *Relay) Run(ctx context.Context) {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			r.pass(last)
			return
		case <-tick.C:
			r.pass(ctx)
		}
	}
}

// pass tells everything that is pending.
func (r *Relay) pass(ctx context.Context) {
	for {
		n, err := r.Once(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "events wait", "error", err)
		}
		if err != nil || n < batch {
			return
		}
	}
}

// Once tells one batch and returns how many events it had.
func (r *Relay) Once(ctx context.Context) (int, error) {
	n := 0
	err := pg.OnceInTx(ctx, r.pool, func(tx pgx.Tx) error {
		rows, err := db.New(tx).ClaimEvents(ctx, batch)
		if err != nil {
			return err
		}
		n = len(rows)
		slices.SortFunc(rows, func(a, b db.ClaimEventsRow) int { return int(a.ID - b.ID) })
		for _, e := range rows {
			r.log.LogAttrs(ctx, slog.LevelInfo, "event", slog.String("event", e.Kind), slog.Int64("event_id", e.ID),
				slog.Time("at", e.CreatedAt), slog.Any("data", json.RawMessage(e.Payload)), slog.String("trace_id", e.TraceID))
		}
		return nil
	})
	return n, fault.Op("relay events", err)
}
