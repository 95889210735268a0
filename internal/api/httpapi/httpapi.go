// Package httpapi implements the generated server interface: one small handler set per tag, composed by embedding.
//
// Invariants: handlers translate and nothing else (ids, types, envelope); rules live in the domain packages. An error
// becomes problem+json in one place (problem.go), whichever of ogen's two error paths it takes. The viewer travels in
// the context because the generated security hook offers no other way; only this package reads it.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/go-faster/errors"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/export"
	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/moderation"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/api/timeline"
)

// Services is what the handlers call.
type Services struct {
	Account    *account.Service
	Tokens     *account.Tokens
	Sessions   *session.Service
	Timeline   *timeline.Service
	Market     *market.Service
	Moderation *moderation.Service
	Media      *media.Service
	PictureURL string // what the name of a picture is put behind
	System     System
	Export     *export.Service
	IDs        *publicid.Codec
	Log        *slog.Logger
}

// API is the composed handler.
type API struct {
	accountAPI
	sessionAPI
	emailAPI
	timelineAPI
	marketAPI
	farmsAPI
	cartAPI
	ordersAPI
	systemAPI
	peopleAPI
	reactionsAPI
	notificationsAPI
	moderationAPI
	dataAPI
	keysAPI
	mediaAPI
	problems
}

var (
	_ oas.Handler         = (*API)(nil)
	_ oas.RawHandler      = (*API)(nil)
	_ oas.SecurityHandler = (*API)(nil)
)

// New returns the HTTP handler of every operation in the spec.
func New(s Services) (*oas.Server, error) {
	pictures := shelf{s.IDs, s.PictureURL}
	a := &API{
		accountAPI:       accountAPI{s.Account, s.IDs},
		sessionAPI:       sessionAPI{s.Account, s.Sessions, s.IDs},
		emailAPI:         emailAPI{s.Account},
		timelineAPI:      timelineAPI{s.Timeline, s.IDs, pictures},
		marketAPI:        marketAPI{s.Market, s.IDs, pictures},
		farmsAPI:         farmsAPI{s.Market, s.IDs},
		cartAPI:          cartAPI{s.Market, s.IDs},
		ordersAPI:        ordersAPI{s.Market, s.IDs},
		systemAPI:        systemAPI{s.System},
		peopleAPI:        peopleAPI{s.Timeline, s.IDs, pictures},
		reactionsAPI:     reactionsAPI{s.Timeline, s.IDs},
		notificationsAPI: notificationsAPI{s.Timeline, s.IDs},
		moderationAPI:    moderationAPI{s.Moderation, s.IDs},
		dataAPI:          dataAPI{s.Account, s.Export, s.IDs, s.Log},
		keysAPI:          keysAPI{s.Tokens},
		mediaAPI:         mediaAPI{s.Media, pictures},
		problems:         problems{s.Log},
	}
	errors.DisableTrace() // the generated decoders make an error of every absent parameter: a fifteenth of a list, were it to hold a stack
	return oas.NewServer(a, a, a,
		oas.WithMaxMultipartMemory(formMemory),
		oas.WithErrorHandler(a.decodeFailed),
		oas.WithNotFound(a.noSuchRoute),
		oas.WithMethodNotAllowed(a.wrongMethod))
}

type viewerKey struct{}

// verified is a token whose signature was checked by the middleware: checking takes 50 µs, so it is done once.
type verified struct {
	token  string
	claims account.Claims
}

type verifiedKey struct{}

// WithClaims returns a context that knows what a token says. The caller has verified it.
func WithClaims(ctx context.Context, token string, c account.Claims) context.Context {
	return context.WithValue(ctx, verifiedKey{}, verified{token, c})
}

// HandleBearer checks the access token and that its session has not ended. It is called for every operation that takes one, also where the spec lets anonymous
// requests pass: a token that is sent has to be good.
func (a *API) HandleBearer(ctx context.Context, _ oas.OperationName, t oas.Bearer) (context.Context, error) {
	var who account.Identity
	var err error
	if v, ok := ctx.Value(verifiedKey{}).(verified); ok && v.token == t.Token {
		who, err = a.accountAPI.service.Identify(ctx, v.claims)
	} else {
		who, err = a.accountAPI.service.Authenticate(ctx, t.Token)
	}
	if err != nil {
		return nil, err
	}
	return context.WithValue(ctx, viewerKey{}, who), nil
}

// identity returns who is behind the request's token. The generated code has checked that
// there is one where the spec asks for it.
func identity(ctx context.Context) account.Identity {
	who, _ := ctx.Value(viewerKey{}).(account.Identity)
	return who
}

// viewer returns the account of identity, 0 for an anonymous request.
func viewer(ctx context.Context) int64 { return identity(ctx).Account }

// noSuchRoute answers a path that no operation has.
func (p problems) noSuchRoute(w http.ResponseWriter, r *http.Request) {
	p.write(r.Context(), w, errNoRoute())
}

// wrongMethod answers a method that the path does not have.
func (p problems) wrongMethod(w http.ResponseWriter, r *http.Request, allowed string) {
	w.Header().Set("Allow", allowed)
	p.write(r.Context(), w, errMethod(r.Method, allowed))
}
