package httpapi

import (
	"context"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
)

// dataAPI is the operations of the tag "data".
type dataAPI struct {
	account *account.Service
	ids     *publicid.Codec
}

// DeleteMe implements operation deleteMe.
func (a dataAPI) DeleteMe(ctx context.Context, req *oas.DeleteMeRequest) (*oas.DeletionResponse, error) {
	d, err := a.account.Delete(ctx, identity(ctx), req.CurrentPassword)
	if err != nil {
		return nil, err
	}
	return &oas.DeletionResponse{Success: oas.SuccessTrue, Data: oas.Deletion{
		PurgeAt: d.PurgeAt.UTC(), SessionsEnded: int64(d.SessionsEnded),
	}}, nil
}

// RestoreAccount implements operation restoreAccount.
func (a dataAPI) RestoreAccount(ctx context.Context, req *oas.RestoreRequest) (*oas.SessionResponse, error) {
	s, err := a.account.Restore(ctx, req.Handle, req.Password, userAgent(ctx))
	if err != nil {
		return nil, err
	}
	return accountAPI{a.account, a.ids}.session(s), nil
}
