package timeline

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

type postStore interface {
	UsableMedia(ctx context.Context, arg db.UsableMediaParams) ([]int64, error)
	CreatePost(ctx context.Context, arg db.CreatePostParams) (db.CreatePostRow, error)
	GetPost(ctx context.Context, arg db.GetPostParams) (db.GetPostRow, error)
	PostExists(ctx context.Context, arg db.PostExistsParams) (bool, error)
	EditPost(ctx context.Context, arg db.EditPostParams) (bool, error)
	DeletePost(ctx context.Context, arg db.DeletePostParams) (bool, error)
	ListUserPosts(ctx context.Context, arg db.ListUserPostsParams) ([]db.ListUserPostsRow, error)
	HomeFeed(ctx context.Context, arg db.HomeFeedParams) ([]db.HomeFeedRow, error)
}

// Post is a post with its author, as one viewer sees it: the counts leave out whom the viewer may not see.
type Post struct {
	ID        int64
	Author    account.Person
	Body      string
	CreatedAt time.Time
	EditedAt  *time.Time // nil: never
	Likes     int64
	Comments  int64
	Liked     bool            // by the viewer
	Pictures  []media.Picture // those that are ready
}

// maxPost is the longest post in characters, as the schema has it.
const maxPost = 2000

func cleanPost(body string) (string, error) { return text{field: "body", max: maxPost}.clean(body) }

// MaxPictures is how many pictures a post may have, as the schema has it.
const MaxPictures = 4

// Publish writes a post with pictures, which become its in the same moment.
func (s *Service) Publish(ctx context.Context, author int64, body string, pictures []int64) (Post, error) {
	body, err := cleanPost(body)
	if err != nil {
		return Post{}, err
	}
	p, err := s.store.CreatePost(ctx, db.CreatePostParams{AuthorID: author, Body: body, TraceID: telemetry.TraceID(ctx), MediaIds: pictures})
	if errors.Is(err, pgx.ErrNoRows) || pg.Is(err, pg.UniqueViolation) || len(pictures) > 0 && pg.Is(err, pg.ForeignKeyViolation) {
		return Post{}, s.cannotAttach(ctx, author, "body.media", media.ForPost, pictures)
	}
	if err != nil {
		return Post{}, outcome("publish", err, aPerson)
	}
	return Post{
		ID: p.ID, Body: p.Body, CreatedAt: p.CreatedAt, Pictures: media.Pictures(p.Pictures),
		Author: account.Person{ID: p.AuthorID, Handle: p.Handle, DisplayName: p.DisplayName},
	}, nil
}

// cannotAttach says which of some pictures the author can't attach, or that the account is gone. Somebody else's picture and
// one that never was are the same answer.
func (s *Service) cannotAttach(ctx context.Context, author int64, field, purpose string, pictures []int64) error {
	there, err := s.store.UserExists(ctx, db.UserExistsParams{ViewerID: author, ID: author})
	if err != nil {
		return fault.Op("attach pictures", err)
	}
	if !there {
		return accountGone()
	}
	usable, err := s.store.UsableMedia(ctx, db.UsableMediaParams{OwnerID: author, Purpose: purpose, Ids: pictures})
	if err != nil {
		return fault.Op("attach pictures", err)
	}
	return media.NotUsable(field, pictures, usable)
}

// Post returns the post id.
func (s *Service) Post(ctx context.Context, viewer, id int64) (Post, error) {
	r, err := s.store.GetPost(ctx, db.GetPostParams{ViewerID: viewer, ID: id})
	if err != nil {
		return Post{}, outcome("read post", err, aPost)
	}
	return post(r), nil
}

// Edit changes the text of the viewer's post.
func (s *Service) Edit(ctx context.Context, viewer, id int64, body string) (Post, error) {
	body, err := cleanPost(body)
	if err != nil {
		return Post{}, err
	}
	mine, err := s.store.EditPost(ctx, db.EditPostParams{ViewerID: viewer, ID: id, Body: body})
	if err != nil {
		return Post{}, outcome("edit post", err, aPost)
	}
	if !mine {
		return Post{}, notYours(aPost)
	}
	return s.Post(ctx, viewer, id)
}

// DeletePost takes the viewer's post away, with its comments and likes.
func (s *Service) DeletePost(ctx context.Context, viewer, id int64) error {
	mine, err := s.store.DeletePost(ctx, db.DeletePostParams{ViewerID: viewer, ID: id})
	if err != nil {
		return outcome("delete post", err, aPost)
	}
	if !mine {
		return notYours(aPost)
	}
	return nil
}

// Posts returns the posts of one author, newest first.
func (s *Service) Posts(ctx context.Context, viewer, author int64, at Slice) (Page[Post], error) {
	rows, err := s.store.ListUserPosts(ctx, db.ListUserPostsParams{
		ViewerID: viewer, AuthorID: author, BeforeID: at.Cursor, PageSize: at.Fetch(),
	})
	if err == nil {
		err = orAbsent("list posts", len(rows), aPerson, s.personExists(ctx, viewer, author))
	}
	return postPage(rows, at), fault.Op("list posts", err)
}

// Feed returns the posts of the people viewer follows, newest first.
func (s *Service) Feed(ctx context.Context, viewer int64, at Slice) (Page[Post], error) {
	rows, err := s.store.HomeFeed(ctx, db.HomeFeedParams{ViewerID: viewer, BeforeID: at.Cursor, PageSize: at.Fetch()})
	return postPage(rows, at), fault.Op("read feed", err)
}

// postRow is what every query that reads whole posts returns.
type postRow interface {
	db.GetPostRow | db.ListUserPostsRow | db.HomeFeedRow
}

func postPage[R postRow](rows []R, at Slice) Page[Post] {
	return PageOf(rows, at, post[R], func(p Post) int64 { return p.ID })
}

func post[R postRow](row R) Post {
	r := db.GetPostRow(row)
	return Post{
		ID: r.ID, Body: r.Body, CreatedAt: r.CreatedAt, EditedAt: r.EditedAt,
		Author: account.Person{ID: r.AuthorID, Handle: r.Handle, DisplayName: r.DisplayName},
		Likes:  r.LikeCount, Comments: r.CommentCount, Liked: r.Liked, Pictures: media.Pictures(r.Pictures),
	}
}

// postExists says whether viewer may see the post id.
func (s *Service) postExists(ctx context.Context, viewer, id int64) func() (bool, error) {
	return func() (bool, error) { return s.store.PostExists(ctx, db.PostExistsParams{ViewerID: viewer, ID: id}) }
}
