package httpapi

import (
	"context"
	"net/http"

	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
)

// timelineAPI is the operations of the tag "timeline".
type timelineAPI struct {
	service  *timeline.Service
	ids      *publicid.Codec
	pictures shelf
}

func (a timelineAPI) id(id oas.PostId) int64 { return known(a.ids, publicid.Post, string(id)) }

// CreatePost implements operation createPost.
func (a timelineAPI) CreatePost(ctx context.Context, req *oas.CreatePostRequest) (*oas.PostResponse, error) {
	return a.answer(a.service.Publish(ctx, viewer(ctx), req.Body, a.pictures.idsOf(req.Media)))
}

// GetPost implements operation getPost.
func (a timelineAPI) GetPost(ctx context.Context, params oas.GetPostParams) (*oas.PostResponse, error) {
	return a.answer(a.service.Post(ctx, viewer(ctx), a.id(params.ID)))
}

// EditPost implements operation editPost.
func (a timelineAPI) EditPost(ctx context.Context, req *oas.EditPostRequest, params oas.EditPostParams) (*oas.PostResponse, error) {
	return a.answer(a.service.Edit(ctx, viewer(ctx), a.id(params.ID), req.Body))
}

// DeletePost implements operation deletePost.
func (a timelineAPI) DeletePost(ctx context.Context, params oas.DeletePostParams) error {
	return a.service.DeletePost(ctx, viewer(ctx), a.id(params.ID))
}

// ListUserPosts implements operation listUserPosts.
func (a timelineAPI) ListUserPosts(ctx context.Context, params oas.ListUserPostsParams, w http.ResponseWriter) error {
	id, at, err := target(a.ids, publicid.User, string(params.ID), params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Posts(ctx, viewer(ctx), id, at)
	if err != nil {
		return err
	}
	return writeJSON(w, a.list(at, page))
}

// ListFeed implements operation listFeed.
func (a timelineAPI) ListFeed(ctx context.Context, params oas.ListFeedParams, w http.ResponseWriter) error {
	at, err := slice(a.ids, params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Feed(ctx, viewer(ctx), at)
	if err != nil {
		return err
	}
	return writeJSON(w, a.list(at, page))
}

func (a timelineAPI) answer(p timeline.Post, err error) (*oas.PostResponse, error) {
	if err != nil {
		return nil, err
	}
	return &oas.PostResponse{Success: oas.SuccessTrue, Data: a.post(p)}, nil
}

func (a timelineAPI) list(at timeline.Slice, page timeline.Page[timeline.Post]) *oas.PostListResponse {
	res := &oas.PostListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.Post, len(page.Items)), Meta: streamMeta(a.ids, at, page.Next),
	}
	for i, p := range page.Items {
		res.Data[i] = a.post(p)
	}
	return res
}

func (a timelineAPI) post(p timeline.Post) oas.Post {
	out := oas.Post{
		ID: oas.PostId(a.ids.Encode(publicid.Post, p.ID)), Author: person(a.ids, p.Author), Body: p.Body, CreatedAt: p.CreatedAt.UTC(),
		LikeCount: p.Likes, CommentCount: p.Comments, Liked: p.Liked, Pictures: a.pictures.list(p.Pictures),
	}
	out.EditedAt.SetToNull()
	if p.EditedAt != nil {
		out.EditedAt.SetTo(p.EditedAt.UTC())
	}
	return out
}
