package httpapi

import (
	"context"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
)

// accountAPI is the operations of the tag "account".
type accountAPI struct {
	service *account.Service
	ids     *publicid.Codec
}

// Signup implements operation signup.
func (a accountAPI) Signup(ctx context.Context, req *oas.SignupRequest) (*oas.SessionResponse, error) {
	s, err := a.service.Signup(ctx, string(req.Handle), req.DisplayName, req.Password, userAgent(ctx))
	if err != nil {
		return nil, err
	}
	return a.session(s), nil
}

// Login implements operation login.
func (a accountAPI) Login(ctx context.Context, req *oas.LoginRequest) (*oas.SessionResponse, error) {
	s, err := a.service.Login(ctx, req.Handle, req.Password, userAgent(ctx))
	if err != nil {
		return nil, err
	}
	return a.session(s), nil
}

func (a accountAPI) session(s account.Session) *oas.SessionResponse {
	return &oas.SessionResponse{Success: oas.SuccessTrue, Data: oas.Session{
		User: person(a.ids, s.Person), AccessToken: s.Token, RefreshToken: s.Refresh,
		TokenType: oas.SessionTokenTypeBearer, ExpiresIn: int64(s.ExpiresIn.Seconds()),
	}}
}
