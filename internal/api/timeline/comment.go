package timeline

import (
	"context"
	"time"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

type commentStore interface {
	CreateComment(ctx context.Context, arg db.CreateCommentParams) (db.CreateCommentRow, error)
	ListComments(ctx context.Context, arg db.ListCommentsParams) ([]db.ListCommentsRow, error)
	DeleteComment(ctx context.Context, arg db.DeleteCommentParams) (bool, error)
}

// Comment is a comment with its author.
type Comment struct {
	ID        int64
	Post      int64
	Author    account.Person
	Body      string
	CreatedAt time.Time
}

// maxComment is the longest comment in characters, as the schema has it.
const maxComment = 1000

// Comment writes a comment on a post and notifies the post's author.
func (s *Service) Comment(ctx context.Context, viewer, onPost int64, body string) (Comment, error) {
	body, err := text{field: "body", max: maxComment}.clean(body)
	if err != nil {
		return Comment{}, err
	}
	r, err := s.store.CreateComment(ctx, db.CreateCommentParams{ViewerID: viewer, PostID: onPost, Body: body})
	if err != nil {
		return Comment{}, outcome("comment", err, aPost)
	}
	return comment(db.ListCommentsRow(r)), nil
}

// Comments returns the comments on a post, oldest first.
func (s *Service) Comments(ctx context.Context, viewer, onPost int64, at Slice) (Page[Comment], error) {
	rows, err := s.store.ListComments(ctx, db.ListCommentsParams{ViewerID: viewer, PostID: onPost, AfterID: at.Cursor, PageSize: at.Fetch()})
	if err == nil {
		err = orAbsent("list comments", len(rows), aPost, s.postExists(ctx, viewer, onPost))
	}
	return PageOf(rows, at, comment, func(c Comment) int64 { return c.ID }), fault.Op("list comments", err)
}

// DeleteComment takes a comment away: the viewer's own, or one on their post.
func (s *Service) DeleteComment(ctx context.Context, viewer, id int64) error {
	mine, err := s.store.DeleteComment(ctx, db.DeleteCommentParams{ViewerID: viewer, ID: id})
	if err != nil {
		return outcome("delete comment", err, aComment)
	}
	if !mine {
		return notYours(aComment)
	}
	return nil
}

func comment(r db.ListCommentsRow) Comment {
	return Comment{
		ID: r.ID, Post: r.PostID, Body: r.Body, CreatedAt: r.CreatedAt,
		Author: account.Person{ID: r.AuthorID, Handle: r.Handle, DisplayName: r.DisplayName},
	}
}
