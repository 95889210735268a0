package timeline

import (
	"context"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

type likeStore interface {
	LikePost(ctx context.Context, arg db.LikePostParams) (db.LikePostRow, error)
	UnlikePost(ctx context.Context, arg db.UnlikePostParams) (db.UnlikePostRow, error)
	ListLikers(ctx context.Context, arg db.ListLikersParams) ([]db.ListLikersRow, error)
}

// Like makes viewer like a post, once or again, and returns how many do. The first time notifies the author.
func (s *Service) Like(ctx context.Context, viewer, post int64) (int64, error) {
	r, err := s.store.LikePost(ctx, db.LikePostParams{ViewerID: viewer, PostID: post})
	return r.LikeCount, outcome("like", err, aPost)
}

// Unlike takes the like back, with its notification, and returns how many are left.
func (s *Service) Unlike(ctx context.Context, viewer, post int64) (int64, error) {
	r, err := s.store.UnlikePost(ctx, db.UnlikePostParams{ViewerID: viewer, PostID: post})
	return r.LikeCount, outcome("unlike", err, aPost)
}

// Likers returns who likes a post, newest account first.
func (s *Service) Likers(ctx context.Context, viewer, post int64, at Slice) (Page[account.Person], error) {
	rows, err := s.store.ListLikers(ctx, db.ListLikersParams{ViewerID: viewer, PostID: post, BeforeID: at.Cursor, PageSize: at.Fetch()})
	if err == nil {
		err = orAbsent("list likers", len(rows), aPost, s.postExists(ctx, viewer, post))
	}
	return peoplePage(rows, at), fault.Op("list likers", err)
}
