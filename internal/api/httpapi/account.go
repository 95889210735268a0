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
func (a accountAPI) Signup(ctx context.Context, req *oas.SignupRequest) (oas.SignupRes, error) {
	n := account.Newcomer{Handle: string(req.Handle), DisplayName: req.DisplayName, Password: req.Password, Email: string(req.Email.Value)}
	if a.service.VerifiesEmail() {
		m, err := a.service.Apply(ctx, n)
		if err != nil {
			return nil, err
		}
		return mailed(m), nil
	}
	s, err := a.service.Signup(ctx, n, userAgent(ctx))
	if err != nil {
		return nil, err
	}
	return a.session(s), nil
}

// VerifySignup implements operation verifySignup.
func (a accountAPI) VerifySignup(ctx context.Context, req *oas.VerifySignupRequest) (*oas.SessionResponse, error) {
	s, err := a.service.Verify(ctx, string(req.Email), string(req.Code), userAgent(ctx))
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
