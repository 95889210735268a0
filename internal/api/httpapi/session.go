package httpapi

import (
	"context"
	"net/http"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
)

// sessionAPI is the operations of the tag "account" that are about sessions.
type sessionAPI struct {
	account  *account.Service
	sessions *session.Service
	ids      *publicid.Codec
}

// RefreshSession implements operation refreshSession.
func (a sessionAPI) RefreshSession(ctx context.Context, req *oas.RefreshRequest) (*oas.SessionResponse, error) {
	s, err := a.account.Refresh(ctx, req.RefreshToken)
	if err != nil {
		return nil, err
	}
	return accountAPI{a.account, a.ids}.session(s), nil
}

// Logout implements operation logout. A session that ended in between has what it wanted.
func (a sessionAPI) Logout(ctx context.Context) (*oas.EndedResponse, error) {
	who := identity(ctx)
	found, err := a.sessions.Revoke(ctx, who.Account, who.Session, session.Logout)
	if err != nil {
		return nil, err
	}
	n := 0
	if found {
		n = 1
	}
	return ended(n), nil
}

// LogoutEverywhere implements operation logoutEverywhere.
func (a sessionAPI) LogoutEverywhere(ctx context.Context) (*oas.EndedResponse, error) {
	n, err := a.sessions.RevokeAll(ctx, viewer(ctx), 0, session.Logout)
	if err != nil {
		return nil, err
	}
	return ended(n), nil
}

// ChangePassword implements operation changePassword.
func (a sessionAPI) ChangePassword(ctx context.Context, req *oas.ChangePasswordRequest) (*oas.EndedResponse, error) {
	n, err := a.account.ChangePassword(ctx, identity(ctx), req.CurrentPassword, req.NewPassword)
	if err != nil {
		return nil, err
	}
	return ended(n), nil
}

// RevokeSession implements operation revokeSession.
func (a sessionAPI) RevokeSession(ctx context.Context, params oas.RevokeSessionParams) (*oas.EndedResponse, error) {
	notFound := fault.New(fault.NotFound, "there is no such session")
	id, err := a.ids.Decode(publicid.Session, string(params.ID))
	if err != nil {
		return nil, notFound
	}
	found, err := a.sessions.Revoke(ctx, viewer(ctx), id, session.Revoked)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound
	}
	return ended(1), nil
}

// ListSessions implements operation listSessions.
func (a sessionAPI) ListSessions(ctx context.Context, params oas.ListSessionsParams, w http.ResponseWriter) error {
	at, err := slice(a.ids, params.Cursor, params.Limit, session.Start)
	if err != nil {
		return err
	}
	who := identity(ctx)
	page, next, err := a.sessions.List(ctx, who.Account, at.Cursor, at.Limit)
	if err != nil {
		return err
	}
	res := oas.SessionListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.SessionInfo, len(page)), Meta: streamMeta(a.ids, at, next),
	}
	for i, s := range page {
		res.Data[i] = oas.SessionInfo{
			ID: oas.SessionId(a.ids.Encode(publicid.Session, s.ID)), Current: s.ID == who.Session, UserAgent: s.UserAgent,
			CreatedAt: s.CreatedAt.UTC(), LastUsedAt: s.LastUsedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
		}
	}
	return writeJSON(w, &res)
}

func ended(n int) *oas.EndedResponse {
	return &oas.EndedResponse{Success: oas.SuccessTrue, Data: oas.Ended{SessionsEnded: int64(n)}}
}

type agentKey struct{}

// KeepAgent puts the client's name for itself where the operations that open a session find it. As a parameter of the spec it
// would be a promise to clients, and a long one would be an error; as a middleware of the generated server it would cost every
// operation a map of its parameters.
func KeepAgent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			r = r.WithContext(context.WithValue(r.Context(), agentKey{}, r.UserAgent()))
		}
		next.ServeHTTP(w, r)
	})
}

func userAgent(ctx context.Context) string {
	s, _ := ctx.Value(agentKey{}).(string)
	return s
}
