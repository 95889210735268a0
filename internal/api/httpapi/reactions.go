package httpapi

import (
	"context"
	"net/http"

	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
)

// reactionsAPI is the operations of the tag "reactions".
type reactionsAPI struct {
	service *timeline.Service
	ids     *publicid.Codec
}

// CreateComment implements operation createComment.
func (a reactionsAPI) CreateComment(ctx context.Context, req *oas.CreateCommentRequest, params oas.CreateCommentParams) (*oas.CommentResponse, error) {
	c, err := a.service.Comment(ctx, viewer(ctx), known(a.ids, publicid.Post, string(params.ID)), req.Body)
	if err != nil {
		return nil, err
	}
	return &oas.CommentResponse{Success: oas.SuccessTrue, Data: a.comment(c)}, nil
}

// ListComments implements operation listComments.
func (a reactionsAPI) ListComments(ctx context.Context, params oas.ListCommentsParams, w http.ResponseWriter) error {
	id, at, err := target(a.ids, publicid.Post, string(params.ID), params.Cursor, params.Limit, 0)
	if err != nil {
		return err
	}
	page, err := a.service.Comments(ctx, viewer(ctx), id, at)
	if err != nil {
		return err
	}
	res := oas.CommentListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.Comment, len(page.Items)), Meta: streamMeta(a.ids, at, page.Next),
	}
	for i, c := range page.Items {
		res.Data[i] = a.comment(c)
	}
	return writeJSON(w, &res)
}

// DeleteComment implements operation deleteComment.
func (a reactionsAPI) DeleteComment(ctx context.Context, params oas.DeleteCommentParams) error {
	return a.service.DeleteComment(ctx, viewer(ctx), known(a.ids, publicid.Comment, string(params.ID)))
}

func (a reactionsAPI) comment(c timeline.Comment) oas.Comment {
	return oas.Comment{
		ID: oas.CommentId(a.ids.Encode(publicid.Comment, c.ID)), Post: oas.PostId(a.ids.Encode(publicid.Post, c.Post)),
		Author: person(a.ids, c.Author), Body: c.Body, CreatedAt: c.CreatedAt.UTC(),
	}
}

// LikePost implements operation likePost.
func (a reactionsAPI) LikePost(ctx context.Context, params oas.LikePostParams) (*oas.LikeResponse, error) {
	n, err := a.service.Like(ctx, viewer(ctx), known(a.ids, publicid.Post, string(params.ID)))
	if err != nil {
		return nil, err
	}
	return &oas.LikeResponse{Success: oas.SuccessTrue, Data: oas.Like{Post: params.ID, Liked: true, LikeCount: n}}, nil
}

// UnlikePost implements operation unlikePost.
func (a reactionsAPI) UnlikePost(ctx context.Context, params oas.UnlikePostParams) (*oas.LikeResponse, error) {
	n, err := a.service.Unlike(ctx, viewer(ctx), known(a.ids, publicid.Post, string(params.ID)))
	if err != nil {
		return nil, err
	}
	return &oas.LikeResponse{Success: oas.SuccessTrue, Data: oas.Like{Post: params.ID, LikeCount: n}}, nil
}

// ListLikers implements operation listLikers.
func (a reactionsAPI) ListLikers(ctx context.Context, params oas.ListLikersParams, w http.ResponseWriter) error {
	id, at, err := target(a.ids, publicid.Post, string(params.ID), params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Likers(ctx, viewer(ctx), id, at)
	if err != nil {
		return err
	}
	return writeJSON(w, personList(a.ids, at, page))
}
