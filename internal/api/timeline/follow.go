package timeline

import (
	"context"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

type followStore interface {
	FollowUser(ctx context.Context, arg db.FollowUserParams) (db.FollowUserRow, error)
	UnfollowUser(ctx context.Context, arg db.UnfollowUserParams) (db.UnfollowUserRow, error)
	ListFollowers(ctx context.Context, arg db.ListFollowersParams) ([]db.ListFollowersRow, error)
	ListFollowing(ctx context.Context, arg db.ListFollowingParams) ([]db.ListFollowingRow, error)
}

// Follow makes viewer follow followee, once or again. The first time notifies them.
func (s *Service) Follow(ctx context.Context, viewer, followee int64) (account.Person, error) {
	if viewer == followee {
		return account.Person{}, selfFollow()
	}
	u, err := s.store.FollowUser(ctx, db.FollowUserParams{ViewerID: viewer, FolloweeID: followee})
	return account.Person(u), outcome("follow", err, aPerson)
}

// Unfollow ends a follow and takes its notification back.
func (s *Service) Unfollow(ctx context.Context, viewer, followee int64) (account.Person, error) {
	if viewer == followee {
		return account.Person{}, selfFollow()
	}
	u, err := s.store.UnfollowUser(ctx, db.UnfollowUserParams{ViewerID: viewer, FolloweeID: followee})
	return account.Person(u), outcome("unfollow", err, aPerson)
}

func selfFollow() error {
	return fault.New(fault.Conflict, "you can't follow yourself").WithCode("self_follow")
}

// Followers returns who follows the person id, newest account first.
func (s *Service) Followers(ctx context.Context, viewer, id int64, at Slice) (Page[account.Person], error) {
	rows, err := s.store.ListFollowers(ctx, db.ListFollowersParams{ViewerID: viewer, ID: id, BeforeID: at.Cursor, PageSize: at.Fetch()})
	if err == nil {
		err = orAbsent("list followers", len(rows), aPerson, s.personExists(ctx, viewer, id))
	}
	return peoplePage(rows, at), fault.Op("list followers", err)
}

// Following returns whom the person id follows, newest account first.
func (s *Service) Following(ctx context.Context, viewer, id int64, at Slice) (Page[account.Person], error) {
	rows, err := s.store.ListFollowing(ctx, db.ListFollowingParams{ViewerID: viewer, ID: id, BeforeID: at.Cursor, PageSize: at.Fetch()})
	if err == nil {
		err = orAbsent("list following", len(rows), aPerson, s.personExists(ctx, viewer, id))
	}
	return peoplePage(rows, at), fault.Op("list following", err)
}
