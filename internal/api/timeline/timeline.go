// Package timeline is what people write and read: posts, follows and the home feed.
//
// Invariants: the feed is exact for every cursor and costs nothing on write (the frontier query of queries/timeline.sql);
// somebody hidden from the viewer answers exactly like somebody who never existed.
package timeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// Store is the named queries this package needs.
type Store interface {
	CreatePost(ctx context.Context, arg db.CreatePostParams) (db.CreatePostRow, error)
	FollowUser(ctx context.Context, arg db.FollowUserParams) (db.FollowUserRow, error)
	HomeFeed(ctx context.Context, arg db.HomeFeedParams) ([]db.HomeFeedRow, error)
}

// Post is a post with its author.
type Post struct {
	ID        int64
	Author    account.Person
	Body      string
	CreatedAt time.Time
}

// Page is one page of a feed. Next is the cursor of the following page, 0 on the last one.
type Page struct {
	Posts []Post
	Next  int64
}

// maxBody is the longest post in characters, as the schema has it.
const maxBody = 2000

// Start is the cursor of a feed's first page.
const Start = math.MaxInt64

// Service is the rules of the timeline.
type Service struct{ store Store }

// New returns a Service.
func New(store Store) *Service { return &Service{store: store} }

// Publish writes a post.
func (s *Service) Publish(ctx context.Context, author int64, body string) (Post, error) {
	body, err := cleanBody(body)
	if err != nil {
		return Post{}, err
	}
	p, err := s.store.CreatePost(ctx, db.CreatePostParams{AuthorID: author, Body: body})
	if pg.Is(err, pg.ForeignKeyViolation) {
		return Post{}, fault.New(fault.Unauthenticated, "the account no longer exists").WithCode("account_gone")
	}
	if err != nil {
		return Post{}, fault.Op("publish", err)
	}
	return Post{
		ID: p.ID, Body: p.Body, CreatedAt: p.CreatedAt,
		Author: account.Person{ID: p.AuthorID, Handle: p.Handle, DisplayName: p.DisplayName},
	}, nil
}

// Follow makes viewer follow followee, once or again.
func (s *Service) Follow(ctx context.Context, viewer, followee int64) (account.Person, error) {
	if viewer == followee {
		return account.Person{}, fault.New(fault.Conflict, "you can't follow yourself").WithCode("self_follow")
	}
	u, err := s.store.FollowUser(ctx, db.FollowUserParams{ViewerID: viewer, FolloweeID: followee})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return account.Person{}, fault.New(fault.NotFound, "there is no such person")
	case pg.Is(err, pg.ForeignKeyViolation):
		return account.Person{}, fault.New(fault.Unauthenticated, "the account no longer exists").WithCode("account_gone")
	case err != nil:
		return account.Person{}, fault.Op("follow", err)
	}
	return account.Person{ID: u.ID, Handle: u.Handle, DisplayName: u.DisplayName}, nil
}

// Feed returns the newest limit posts below the cursor before of the people viewer follows.
func (s *Service) Feed(ctx context.Context, viewer, before int64, limit int32) (Page, error) {
	rows, err := s.store.HomeFeed(ctx, db.HomeFeedParams{ViewerID: viewer, BeforeID: before, PageSize: limit + 1})
	if err != nil {
		return Page{}, fault.Op("read feed", err)
	}
	var page Page
	if len(rows) > int(limit) {
		rows = rows[:limit]
		page.Next = rows[limit-1].ID
	}
	page.Posts = make([]Post, len(rows))
	for i, r := range rows {
		page.Posts[i] = Post{
			ID: r.ID, Body: r.Body, CreatedAt: r.CreatedAt,
			Author: account.Person{ID: r.AuthorID, Handle: r.Handle, DisplayName: r.DisplayName},
		}
	}
	return page, nil
}

// cleanBody trims a post and refuses one that PostgreSQL can't store or that shows nothing.
func cleanBody(s string) (string, error) {
	s = strings.TrimSpace(norm.NFC.String(s))
	bad := func(code, msg string) error {
		return fault.New(fault.Invalid, "the post can't be published").WithCode("invalid_input").
			WithFields(fault.Field{Field: "body", Code: code, Message: msg})
	}
	if s == "" {
		return "", bad("empty", "it has no visible character")
	}
	if n := utf8.RuneCountInString(s); n > maxBody {
		return "", bad("too_long", fmt.Sprintf("it has %d characters after normalisation; %d fit", n, maxBody))
	}
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if strings.ContainsFunc(s, control) {
		return "", bad("control_character", "it contains a control character")
	}
	return s, nil
}
