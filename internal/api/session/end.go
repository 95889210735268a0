package session

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// Revoke ends one live session of account and says whether there was one. This server refuses it at once.
func (s *Service) Revoke(ctx context.Context, account, id int64, why Reason) (bool, error) {
	n, err := db.New(s.db).RevokeSession(ctx, db.RevokeSessionParams{
		ID: id, UserID: account, Reason: string(why), TokenSeconds: s.tokenLife(),
	})
	if err != nil || n == 0 { // of somebody else, or over: nothing to refuse
		return false, fault.Op("revoke session", err)
	}
	s.denyHere(id)
	return true, nil
}

// RevokeAll ends every live session of account but keep (0 keeps none) and returns how many there were.
func (s *Service) RevokeAll(ctx context.Context, account, keep int64, why Reason) (int, error) {
	ids, err := s.revokeAll(ctx, db.New(s.db), account, keep, why)
	s.denyHere(ids...)
	return len(ids), err
}

func (s *Service) revokeAll(ctx context.Context, q *db.Queries, account, keep int64, why Reason) ([]int64, error) {
	ids, err := q.RevokeSessions(ctx, db.RevokeSessionsParams{
		UserID: account, KeepID: keep, Reason: string(why), TokenSeconds: s.tokenLife(),
	})
	return ids, fault.Op("revoke sessions", err)
}

// RevokeAllWith runs change in a transaction and ends every other session of account in the same one. change comes first and
// locks the account's row, so a login that has begun before is seen and ended, and one that begins later sees the change.
func (s *Service) RevokeAllWith(ctx context.Context, account, keep int64, why Reason, change func(q *db.Queries) error) (ended int, err error) {
	err = s.Change(ctx, func(c *Change) error {
		err := change(c.Queries)
		if err == nil {
			ended, err = c.RevokeAll(ctx, account, keep, why)
		}
		return err
	})
	return ended, err
}

// Change is a transaction in which sessions end together with their cause. It is good until the function that got it returns.
type Change struct {
	*db.Queries // in the transaction
	Tx          pgx.Tx

	service *Service
	ended   []int64
}

// Change runs run in a transaction. What it ended is refused here once that has committed.
func (s *Service) Change(ctx context.Context, run func(c *Change) error) error {
	c := &Change{service: s}
	err := pg.OnceInTx(ctx, s.db, func(tx pgx.Tx) error {
		c.Queries, c.Tx = db.New(tx), tx
		return run(c)
	})
	if err == nil {
		s.denyHere(c.ended...)
	}
	return err
}

// RevokeAll ends every live session of account but keep (0 keeps none) and returns how many there were.
func (c *Change) RevokeAll(ctx context.Context, account, keep int64, why Reason) (int, error) {
	ids, err := c.service.revokeAll(ctx, c.Queries, account, keep, why)
	c.ended = append(c.ended, ids...)
	return len(ids), err
}

// Ban bans an account and ends all it has, and returns how many sessions that were; false when it is banned already. Who may
// ban whom is the business of package moderation.
func (c *Change) Ban(ctx context.Context, account int64) (changed bool, sessions int, err error) {
	n, err := c.SetBanned(ctx, db.SetBannedParams{ID: account, Banned: true})
	if err != nil || n == 0 {
		return false, 0, fault.Op("ban", err)
	}
	if err := c.RevokeUser(ctx, db.RevokeUserParams{UserID: account, TokenSeconds: c.service.tokenLife()}); err != nil {
		return false, 0, fault.Op("ban", err)
	}
	sessions, err = c.RevokeAll(ctx, account, 0, Ban)
	return true, sessions, err
}

// Unban lifts a ban; false when there is none. The sessions that it ended stay ended.
func (c *Change) Unban(ctx context.Context, account int64) (changed bool, err error) {
	n, err := c.SetBanned(ctx, db.SetBannedParams{ID: account})
	return n == 1, fault.Op("unban", err)
}

// denyHere spares this server the way through the feed.
func (s *Service) denyHere(ids ...int64) {
	for _, id := range ids {
		s.deny.DenySession(id, s.opts.AccessTTL+clockSlack)
	}
}
