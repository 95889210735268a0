package httpapi

import (
	"context"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/openapi/oas"
)

// emailAPI is the operations of the tag "account" that are about e-mail addresses and what codes are mailed for.
type emailAPI struct{ service *account.Service }

// ForgotPassword implements operation forgotPassword.
func (a emailAPI) ForgotPassword(ctx context.Context, req *oas.ForgotPasswordRequest) (*oas.MailedResponse, error) {
	m, err := a.service.Forgot(ctx, string(req.Email))
	if err != nil {
		return nil, err
	}
	return mailed(m), nil
}

// ResetPassword implements operation resetPassword.
func (a emailAPI) ResetPassword(ctx context.Context, req *oas.ResetPasswordRequest) (*oas.EndedResponse, error) {
	n, err := a.service.Reset(ctx, string(req.Email), string(req.Code), req.NewPassword)
	if err != nil {
		return nil, err
	}
	return ended(n), nil
}

// GetEmail implements operation getEmail.
func (a emailAPI) GetEmail(ctx context.Context) (*oas.EmailResponse, error) {
	return email(a.service.Email(ctx, viewer(ctx)))
}

// ChangeEmail implements operation changeEmail.
func (a emailAPI) ChangeEmail(ctx context.Context, req *oas.ChangeEmailRequest) (*oas.MailedResponse, error) {
	m, err := a.service.ChangeEmail(ctx, identity(ctx), string(req.Email), req.CurrentPassword)
	if err != nil {
		return nil, err
	}
	return mailed(m), nil
}

// ConfirmEmail implements operation confirmEmail.
func (a emailAPI) ConfirmEmail(ctx context.Context, req *oas.ConfirmEmailRequest) (*oas.EmailResponse, error) {
	return email(a.service.ConfirmEmail(ctx, identity(ctx), string(req.Code)))
}

func mailed(m account.Mailed) *oas.MailedResponse {
	return &oas.MailedResponse{Success: oas.SuccessTrue, Data: oas.Mailed{
		Email: m.Email, CodeExpiresIn: int64(m.Purpose.Life().Seconds()),
	}}
}

func email(e account.Email, err error) (*oas.EmailResponse, error) {
	if err != nil {
		return nil, err
	}
	var out oas.Email
	out.Email.SetToNull()
	out.VerifiedAt.SetToNull()
	if e.Address != nil && e.VerifiedAt != nil {
		out.Email.SetTo(*e.Address)
		out.VerifiedAt.SetTo(e.VerifiedAt.UTC())
	}
	return &oas.EmailResponse{Success: oas.SuccessTrue, Data: out}, nil
}
