package httpapi

import (
	"context"
	"net/http"

	"github.com/platctl/platctl/internal/api/cache"
	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
)

// farmsAPI is the operations of the tag "farms".
type farmsAPI struct {
	service *market.Service
	ids     *publicid.Codec
}

func (a farmsAPI) id(id oas.FarmId) int64 { return known(a.ids, publicid.Farm, string(id)) }

// CreateFarm implements operation createFarm.
func (a farmsAPI) CreateFarm(ctx context.Context, req *oas.CreateFarmRequest) (*oas.FarmResponse, error) {
	return a.answer(a.service.CreateFarm(ctx, viewer(ctx), req.Name, req.Description.Or(""), req.Currency.Or("EUR")))
}

// GetFarm implements operation getFarm.
func (a farmsAPI) GetFarm(ctx context.Context, params oas.GetFarmParams) (*oas.FarmResponse, error) {
	id := a.id(params.ID)
	if id != 0 {
		cache.Note(ctx, market.FarmTag(id))
	}
	return a.answer(a.service.Farm(ctx, id))
}

// UpdateFarm implements operation updateFarm.
func (a farmsAPI) UpdateFarm(ctx context.Context, req *oas.UpdateFarmRequest, params oas.UpdateFarmParams) (*oas.FarmResponse, error) {
	return a.answer(a.service.UpdateFarm(ctx, viewer(ctx), a.id(params.ID), market.FarmChange{
		Name: present(req.Name.Get()), Description: present(req.Description.Get()),
	}))
}

func (a farmsAPI) answer(f market.Farm, err error) (*oas.FarmResponse, error) {
	if err != nil {
		return nil, err
	}
	return &oas.FarmResponse{Success: oas.SuccessTrue, Data: oas.FarmDetails{
		ID: oas.FarmId(a.ids.Encode(publicid.Farm, f.ID)), Name: f.Name, Description: f.Description,
		Currency: oas.Currency(f.Currency), CreatedAt: f.CreatedAt.UTC(),
	}}, nil
}

// ListMyFarms implements operation listMyFarms.
func (a farmsAPI) ListMyFarms(ctx context.Context, params oas.ListMyFarmsParams, w http.ResponseWriter) error {
	at, err := slice(a.ids, params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.MyFarms(ctx, viewer(ctx), at)
	if err != nil {
		return err
	}
	res := oas.MyFarmListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.MyFarm, len(page.Items)), Meta: streamMeta(a.ids, at, page.Next),
	}
	for i, f := range page.Items {
		res.Data[i] = oas.MyFarm{
			ID: oas.FarmId(a.ids.Encode(publicid.Farm, f.ID)), Name: f.Name, Description: f.Description,
			Currency: oas.Currency(f.Currency), CreatedAt: f.CreatedAt.UTC(), Role: oas.FarmRole(f.Role),
		}
	}
	return writeJSON(w, &res)
}

// ListFarmMembers implements operation listFarmMembers.
func (a farmsAPI) ListFarmMembers(ctx context.Context, params oas.ListFarmMembersParams, w http.ResponseWriter) error {
	id, at, err := target(a.ids, publicid.Farm, string(params.ID), params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Members(ctx, viewer(ctx), id, at)
	if err != nil {
		return err
	}
	res := oas.FarmMemberListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.FarmMember, len(page.Items)), Meta: streamMeta(a.ids, at, page.Next),
	}
	for i, m := range page.Items {
		res.Data[i] = a.member(m)
	}
	return writeJSON(w, &res)
}

// SetFarmMember implements operation setFarmMember.
func (a farmsAPI) SetFarmMember(ctx context.Context, req *oas.SetFarmMemberRequest, params oas.SetFarmMemberParams) (*oas.FarmMemberResponse, error) {
	m, err := a.service.SetMember(ctx, viewer(ctx), a.id(params.ID), known(a.ids, publicid.User, string(params.User)), string(req.Role))
	if err != nil {
		return nil, err
	}
	return &oas.FarmMemberResponse{Success: oas.SuccessTrue, Data: a.member(m)}, nil
}

// RemoveFarmMember implements operation removeFarmMember.
func (a farmsAPI) RemoveFarmMember(ctx context.Context, params oas.RemoveFarmMemberParams) error {
	return a.service.RemoveMember(ctx, viewer(ctx), a.id(params.ID), known(a.ids, publicid.User, string(params.User)))
}

func (a farmsAPI) member(m market.FarmMember) oas.FarmMember {
	return oas.FarmMember{User: person(a.ids, m.Person), Role: oas.FarmRole(m.Role), Since: m.Since.UTC()}
}
