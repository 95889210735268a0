package account

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// endingStatement is how long the statement may take that moves an account out of all counters, or back in: 5.5 µs for each
// like, measured. It ends before the request does.
const endingStatement = 4500 * time.Millisecond

// Deletion is what a deleted account is told.
type Deletion struct {
	PurgeAt       time.Time // until then it can be restored
	SessionsEnded int
}

// Deleted is the cause of refusing a login to an account that is deleted and can be restored.
type Deleted struct{ PurgeAt time.Time }

// Error implements error.
func (e *Deleted) Error() string {
	return "deleted, purged from " + e.PurgeAt.Format(time.RFC3339) + " on"
}

func errDeleted(purgeAt time.Time) error {
	day := purgeAt.UTC().Format(time.DateOnly)
	return fault.Wrap(&Deleted{purgeAt}, fault.Forbidden, "the account is deleted and will be purged on %s", day).
		WithCode("account_deleted").WithHint("POST /api/v1/auth/restore brings it back until then")
}

// Delete hides an account and all it wrote from everybody at once, and ends its sessions, in one transaction. Its rows stay
// until PurgeAt, and so does its handle: whoever came first after somebody left would pass for them.
func (s *Service) Delete(ctx context.Context, who Identity, password string) (Deletion, error) {
	hash, err := s.confirm(ctx, who.Account, password)
	if err != nil {
		return Deletion{}, fault.Op("delete account", err)
	}
	var d Deletion
	d.SessionsEnded, err = s.sessions.RevokeAllWith(ctx, who.Account, 0, session.Deleted, func(q *db.Queries) error {
		if err := extend(ctx, q); err != nil {
			return err
		}
		d.PurgeAt, err = q.DeleteAccount(ctx, db.DeleteAccountParams{
			ID: who.Account, PasswordHash: hash, GraceSeconds: s.grace.Seconds(), TraceID: telemetry.TraceID(ctx),
		})
		if errors.Is(err, pgx.ErrNoRows) { // deleted, banned or given another password in between
			return errGone()
		}
		return err
	})
	return d, fault.Op("delete account", err)
}

// Restore brings a deleted account back with all it had, but its sessions, and logs it in. One whose purge has begun is as
// unknown as one that never was.
func (s *Service) Restore(ctx context.Context, handle, password, userAgent string) (Session, error) {
	u, err := s.prove(ctx, handle, password)
	if err != nil {
		return Session{}, fault.Op("restore account", err)
	}
	if u.PurgeAt == nil {
		return Session{}, errNotDeleted()
	}
	began := s.tokens.now()
	var opened session.Opened
	err = s.sessions.Change(ctx, func(c *session.Change) error {
		if err := extend(ctx, c.Queries); err != nil {
			return err
		}
		restored, err := c.RestoreAccount(ctx, db.RestoreAccountParams{ID: u.ID, PasswordHash: u.PasswordHash, TraceID: telemetry.TraceID(ctx)})
		if err == nil && !restored {
			err = notRestored(ctx, c.Queries, handle, u.PasswordHash)
		}
		if err == nil {
			opened, err = c.Open(ctx, u.ID, u.PasswordHash, userAgent)
		}
		return err
	})
	if err != nil {
		return Session{}, fault.Op("restore account", err)
	}
	return s.session(Person{ID: u.ID, Handle: u.Handle, DisplayName: u.DisplayName}, opened, began)
}

// notRestored tells who came second, after another request that restored the account, from who came too late.
func notRestored(ctx context.Context, q *db.Queries, handle, hash string) error {
	now, err := q.UserCredentials(ctx, handle)
	switch {
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
		return err
	case err == nil && now.PasswordHash == hash && now.PurgeAt == nil && now.BannedAt == nil:
		return errNotDeleted()
	}
	return errBadCredentials()
}

func errNotDeleted() error {
	return fault.New(fault.Conflict, "the account is not deleted; log in").WithCode("not_deleted")
}

func extend(ctx context.Context, q *db.Queries) error {
	return q.ExtendStatement(ctx, strconv.FormatInt(endingStatement.Milliseconds(), 10))
}
