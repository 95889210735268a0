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
func (s *Service) RevokeAllWith(ctx context.Context, account, keep int64, why Reason, change func(q *db.Queries) error) (int, error) {
	var ids []int64
	err := pg.OnceInTx(ctx, s.db, func(tx pgx.Tx) error {
		q := db.New(tx)
		err := change(q)
		if err == nil {
			ids, err = s.revokeAll(ctx, q, account, keep, why)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	s.denyHere(ids...)
	return len(ids), nil
}

// SetBanned bans an account and ends all it has, or lifts the ban. It says whether anything changed.
func (s *Service) SetBanned(ctx context.Context, account int64, banned bool) (changed bool, sessions int, err error) {
	set := func(q *db.Queries) error {
		n, err := q.SetBanned(ctx, db.SetBannedParams{ID: account, Banned: banned})
		changed = n == 1
		if err == nil && banned && changed {
			err = q.RevokeUser(ctx, db.RevokeUserParams{UserID: account, TokenSeconds: s.tokenLife()})
		}
		return fault.Op("ban", err)
	}
	if !banned {
		return changed, 0, set(db.New(s.db))
	}
	sessions, err = s.RevokeAllWith(ctx, account, 0, Ban, set)
	return changed, sessions, err
}

// denyHere spares this server the way through the feed.
func (s *Service) denyHere(ids ...int64) {
	for _, id := range ids {
		s.deny.DenySession(id, s.opts.AccessTTL+clockSlack)
	}
}
