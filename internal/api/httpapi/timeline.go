package httpapi

import (
	"context"
	"net/http"

	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
)

// timelineAPI is the operations of the tag "timeline".
type timelineAPI struct {
	service *timeline.Service
	ids     *publicid.Codec
}

// CreatePost implements operation createPost.
func (a timelineAPI) CreatePost(ctx context.Context, req *oas.CreatePostRequest) (*oas.PostResponse, error) {
	p, err := a.service.Publish(ctx, viewer(ctx), req.Body)
	if err != nil {
		return nil, err
	}
	return &oas.PostResponse{Success: oas.SuccessTrue, Data: a.post(p)}, nil
}

// FollowUser implements operation followUser. An id that decodes to nothing is a person who doesn't exist.
func (a timelineAPI) FollowUser(ctx context.Context, params oas.FollowUserParams) (*oas.FollowResponse, error) {
	id, err := a.ids.Decode(publicid.User, string(params.ID))
	if err != nil {
		return nil, fault.New(fault.NotFound, "there is no such person")
	}
	u, err := a.service.Follow(ctx, viewer(ctx), id)
	if err != nil {
		return nil, err
	}
	return &oas.FollowResponse{Success: oas.SuccessTrue, Data: oas.Follow{User: person(a.ids, u), Following: true}}, nil
}

// ListFeed implements operation listFeed.
func (a timelineAPI) ListFeed(ctx context.Context, params oas.ListFeedParams, w http.ResponseWriter) error {
	before := int64(timeline.Start)
	if c, ok := params.Cursor.Get(); ok {
		id, err := a.ids.Decode(publicid.Cursor, c)
		if err != nil {
			return fault.New(fault.Invalid, "the cursor is not one of ours").WithCode("bad_cursor").
				WithFields(fault.Field{Field: "query.cursor", Code: "bad_cursor", Message: "use meta.nextCursor of the page before"})
		}
		before = id
	}
	limit := params.Limit.Or(20)
	page, err := a.service.Feed(ctx, viewer(ctx), before, limit)
	if err != nil {
		return err
	}
	res := oas.FeedResponse{Success: oas.SuccessTrue, Data: make([]oas.Post, len(page.Posts)), Meta: oas.StreamMeta{Limit: limit}}
	for i, p := range page.Posts {
		res.Data[i] = a.post(p)
	}
	res.Meta.NextCursor.SetToNull()
	if page.Next != 0 {
		res.Meta.NextCursor.SetTo(a.ids.Encode(publicid.Cursor, page.Next))
	}
	return writeJSON(w, &res)
}

func (a timelineAPI) post(p timeline.Post) oas.Post {
	return oas.Post{
		ID: oas.PostId(a.ids.Encode(publicid.Post, p.ID)), Author: person(a.ids, p.Author), Body: p.Body, CreatedAt: p.CreatedAt.UTC(),
	}
}
