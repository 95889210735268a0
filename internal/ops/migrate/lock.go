package migrate

import (
	"context"
	_ "embed"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

//go:embed sql/try_lock.sql
var sqlTryLock string

//go:embed sql/unlock.sql
var sqlUnlock string

//go:embed sql/holds_lock.sql
var sqlHoldsLock string

//go:embed sql/holder.sql
var sqlHolder string

// lockKey is "platmigr" in ASCII: the runner's advisory lock, one a database.
const lockKey int64 = 0x706c61746d696772

// acquire polls for the lock. The blocking form would keep a snapshot in the server that CREATE INDEX CONCURRENTLY in the
// holder's session waits for.
func (r *runner) acquire(ctx context.Context) error {
	deadline := time.Now().Add(r.m.opts.RunnerWait)
	var told Holder
	for {
		var ok, readOnly bool
		if err := r.conn.QueryRow(ctx, sqlTryLock, lockKey).Scan(&ok, &r.pid, &readOnly); err != nil {
			return databaseFault(err, "the runner's lock can't be asked for")
		}
		if readOnly {
			return fault.New(fault.Conflict, "the database only reads; nothing was done").
				WithHint("give the URL of the primary, or take default_transaction_read_only back")
		}
		if ok {
			return r.refusePooler(ctx)
		}
		holder, err := r.holder(ctx)
		if err != nil {
			return err
		}
		if holder != nil && *holder != told {
			told = *holder
			r.emit(Event{Kind: EventWaiting, Holder: holder})
		}
		if time.Now().After(deadline) {
			return fault.New(fault.Busy, "another migration runs here: %s has the lock", holder).
				WithHint("wait for it; `platctl migrate status` shows how far it is")
		}
		if err := sleep(ctx, jitter(50*time.Millisecond, 250*time.Millisecond)); err != nil {
			return err
		}
	}
}

// holder returns who has the lock, nil when it has just been released.
func (r *runner) holder(ctx context.Context) (*Holder, error) {
	var h Holder
	err := r.conn.QueryRow(ctx, sqlHolder, lockKey).Scan(&h.PID, &h.App, &h.User, &h.Since)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, databaseFault(err, "the holder of the runner's lock can't be read")
	}
	return &h, nil
}

// fence fails when this session hasn't got the lock: a pooler that shares sessions would make it worthless.
func (r *runner) fence(ctx context.Context) error {
	var mine bool
	if err := r.conn.QueryRow(ctx, sqlHoldsLock, lockKey).Scan(&mine); err != nil {
		return databaseFault(err, "the runner's lock can't be checked")
	}
	if !mine {
		return noFence()
	}
	return nil
}

func noFence() error {
	return fault.New(fault.Conflict, "this session has lost the runner's lock; nothing of this file was applied").
		WithHint("connect to PostgreSQL directly, not through a pooler in transaction mode")
}

func (r *runner) release(ctx context.Context) {
	_, _ = r.conn.Exec(ctx, sqlUnlock, lockKey) // closing the session releases it as well, a moment later
}

func jitter(from, to time.Duration) time.Duration {
	return from + time.Duration(rand.Int64N(int64(to-from)+1))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
