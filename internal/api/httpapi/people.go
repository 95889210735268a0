package httpapi

import (
	"context"
	"net/http"

	"github.com/platctl/platctl/internal/api/cache"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
)

// peopleAPI is the operations of the tag "people", and of "account" those on your own profile.
type peopleAPI struct {
	service  *timeline.Service
	ids      *publicid.Codec
	pictures shelf
}

func (a peopleAPI) id(id oas.UserId) int64 { return known(a.ids, publicid.User, string(id)) }

// GetMe implements operation getMe.
func (a peopleAPI) GetMe(ctx context.Context) (*oas.ProfileResponse, error) {
	return a.profile(a.service.Me(ctx, viewer(ctx)))
}

// UpdateMe implements operation updateMe.
func (a peopleAPI) UpdateMe(ctx context.Context, req *oas.UpdateMeRequest) (*oas.ProfileResponse, error) {
	var c timeline.ProfileChange
	if v, ok := req.DisplayName.Get(); ok {
		c.DisplayName = &v
	}
	if v, ok := req.Bio.Get(); ok {
		c.Bio = &v
	}
	if req.Avatar.IsSet() {
		var id int64 // null: none
		if v, ok := req.Avatar.Get(); ok {
			id = a.pictures.id(oas.MediaId(v))
		}
		c.Avatar = &id
	}
	return a.profile(a.service.UpdateMe(ctx, viewer(ctx), c))
}

// GetUser implements operation getUser.
func (a peopleAPI) GetUser(ctx context.Context, params oas.GetUserParams) (*oas.ProfileResponse, error) {
	id := a.id(params.ID)
	if id != 0 {
		cache.Note(ctx, timeline.PersonTag(id)) // for nobody: for a viewer the answer is made of more, and not kept
	}
	return a.profile(a.service.Profile(ctx, viewer(ctx), id))
}

func (a peopleAPI) profile(p timeline.Profile, err error) (*oas.ProfileResponse, error) {
	if err != nil {
		return nil, err
	}
	out := oas.Profile{
		ID: oas.UserId(a.ids.Encode(publicid.User, p.ID)), Handle: oas.Handle(p.Handle), DisplayName: p.DisplayName, Bio: p.Bio,
		CreatedAt: p.CreatedAt.UTC(), PostCount: p.Posts, FollowerCount: p.Followers, FollowingCount: p.Following,
		Following: p.Followed,
	}
	out.Avatar.SetToNull()
	if p.Avatar != nil {
		out.Avatar.SetTo(a.pictures.picture(*p.Avatar))
	}
	return &oas.ProfileResponse{Success: oas.SuccessTrue, Data: out}, nil
}

// SearchPeople implements operation searchPeople.
func (a peopleAPI) SearchPeople(ctx context.Context, params oas.SearchPeopleParams, w http.ResponseWriter) error {
	at, err := slice(a.ids, params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Search(ctx, viewer(ctx), params.Q, at)
	if err != nil {
		return err
	}
	return writeJSON(w, personList(a.ids, at, page))
}

// FollowUser implements operation followUser.
func (a peopleAPI) FollowUser(ctx context.Context, params oas.FollowUserParams) (*oas.FollowResponse, error) {
	u, err := a.service.Follow(ctx, viewer(ctx), a.id(params.ID))
	if err != nil {
		return nil, err
	}
	return &oas.FollowResponse{Success: oas.SuccessTrue, Data: oas.Follow{User: person(a.ids, u), Following: true}}, nil
}

// UnfollowUser implements operation unfollowUser.
func (a peopleAPI) UnfollowUser(ctx context.Context, params oas.UnfollowUserParams) (*oas.FollowResponse, error) {
	u, err := a.service.Unfollow(ctx, viewer(ctx), a.id(params.ID))
	if err != nil {
		return nil, err
	}
	return &oas.FollowResponse{Success: oas.SuccessTrue, Data: oas.Follow{User: person(a.ids, u)}}, nil
}

// ListFollowers implements operation listFollowers.
func (a peopleAPI) ListFollowers(ctx context.Context, params oas.ListFollowersParams, w http.ResponseWriter) error {
	id, at, err := target(a.ids, publicid.User, string(params.ID), params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Followers(ctx, viewer(ctx), id, at)
	if err != nil {
		return err
	}
	return writeJSON(w, personList(a.ids, at, page))
}

// ListFollowing implements operation listFollowing.
func (a peopleAPI) ListFollowing(ctx context.Context, params oas.ListFollowingParams, w http.ResponseWriter) error {
	id, at, err := target(a.ids, publicid.User, string(params.ID), params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Following(ctx, viewer(ctx), id, at)
	if err != nil {
		return err
	}
	return writeJSON(w, personList(a.ids, at, page))
}

// BlockUser implements operation blockUser.
func (a peopleAPI) BlockUser(ctx context.Context, params oas.BlockUserParams) (*oas.BlockResponse, error) {
	u, err := a.service.Block(ctx, viewer(ctx), a.id(params.ID))
	if err != nil {
		return nil, err
	}
	return &oas.BlockResponse{Success: oas.SuccessTrue, Data: oas.Block{User: person(a.ids, u), Blocked: true}}, nil
}

// UnblockUser implements operation unblockUser.
func (a peopleAPI) UnblockUser(ctx context.Context, params oas.UnblockUserParams) (*oas.BlockResponse, error) {
	u, err := a.service.Unblock(ctx, viewer(ctx), a.id(params.ID))
	if err != nil {
		return nil, err
	}
	return &oas.BlockResponse{Success: oas.SuccessTrue, Data: oas.Block{User: person(a.ids, u)}}, nil
}

// ListBlocks implements operation listBlocks.
func (a peopleAPI) ListBlocks(ctx context.Context, params oas.ListBlocksParams, w http.ResponseWriter) error {
	at, err := slice(a.ids, params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Blocks(ctx, viewer(ctx), at)
	if err != nil {
		return err
	}
	return writeJSON(w, personList(a.ids, at, page))
}
