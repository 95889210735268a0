package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"

	"github.com/go-faster/jx"
	"github.com/ogen-go/ogen/ogenerrors"
	"github.com/ogen-go/ogen/validate"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// KeyHeader is the header with which a client names a request, to ask again without doing it again.
const KeyHeader = "Idempotency-Key"

// problems renders every error of the API as problem+json. Causes go to the log, never to the client.
type problems struct{ log *slog.Logger }

// NewError is ogen's path for errors of handlers and of the security check.
func (p problems) NewError(ctx context.Context, err error) *oas.ProblemStatusCode {
	return p.render(ctx, classify(ctx, err))
}

// decodeFailed is ogen's other path: parameters and bodies that can't be decoded.
func (p problems) decodeFailed(ctx context.Context, w http.ResponseWriter, _ *http.Request, err error) {
	p.write(ctx, w, err)
}

func (p problems) write(ctx context.Context, w http.ResponseWriter, err error) {
	send(w, p.NewError(ctx, err))
}

func send(w http.ResponseWriter, res *oas.ProblemStatusCode) {
	e := jx.GetEncoder()
	defer jx.PutEncoder(e)
	res.Response.Encode(e)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(e.Bytes())
}

// WriteProblem answers err outside the generated server: in the middleware chain.
func WriteProblem(ctx context.Context, w http.ResponseWriter, log *slog.Logger, err error) {
	problems{log}.write(ctx, w, err)
}

// WriteInjected answers a rehearsed fault (debug.fault_status) with a status of the operator's choice.
func WriteInjected(ctx context.Context, w http.ResponseWriter, log *slog.Logger, status int) {
	res := problems{log}.render(ctx, fault.New(fault.Internal, "injected").WithCode("injected_fault"))
	res.StatusCode, res.Response.Status = status, int32(status)
	send(w, res)
}

// WrongMethod answers every request with 405 and the methods that are allowed.
func WrongMethod(log *slog.Logger, allowed string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { problems{log}.wrongMethod(w, r, allowed) })
}

func (p problems) render(ctx context.Context, e *fault.Error) *oas.ProblemStatusCode {
	row := fault.Lookup(e.Kind)
	body := oas.Problem{
		Type: "about:blank", Title: row.Title, Status: int32(row.Status), Detail: e.Message,
		Success: oas.ProblemSuccessFalse, Code: e.Code, TraceId: telemetry.TraceID(ctx),
	}
	if body.Code == "" {
		body.Code = string(e.Kind)
	}
	var deleted *account.Deleted
	if errors.As(e, &deleted) {
		body.PurgeAt.SetTo(deleted.PurgeAt.UTC())
	}
	for _, f := range e.Fields {
		body.Errors = append(body.Errors, oas.FieldError{Field: f.Field, Code: f.Code, Message: f.Message})
	}
	switch {
	case e.Kind == fault.Unavailable && e.Err != nil:
		p.log.WarnContext(ctx, "request refused", "code", body.Code, "error", e.Error())
	case e.Kind != fault.Unavailable && row.Status >= http.StatusInternalServerError:
		p.log.ErrorContext(ctx, "request failed", "code", body.Code, "error", e.Error())
		body.Detail = "the server could not answer; the trace id finds the reason in its log"
	}
	return &oas.ProblemStatusCode{StatusCode: row.Status, Response: body}
}

// classify gives every error that reaches the API a kind: the domain's own, or the one behind ogen's wrappers.
func classify(ctx context.Context, err error) *fault.Error {
	var e *fault.Error
	if errors.As(err, &e) && e.Kind != fault.Internal {
		return e
	}
	var security *ogenerrors.SecurityError
	var params *ogenerrors.DecodeParamsError
	var body *ogenerrors.DecodeRequestError
	var contentType *validate.InvalidContentTypeError
	switch {
	case errors.As(err, &security):
		return fault.New(fault.Unauthenticated, "this needs an access token: Authorization: Bearer <token>").WithCode("no_token")
	case errors.As(err, &contentType):
		return fault.New(fault.Unsupported, "the body must be application/json")
	case errors.As(err, &params) && ofKey(err):
		return errKey(err)
	case errors.As(err, &params):
		return fault.New(fault.Invalid, "a parameter is not valid").WithCode("invalid_input").WithFields(fieldsOf(err, "")...)
	case errors.As(err, &body):
		return fault.New(fault.Invalid, "the body is not what this operation takes").WithCode("invalid_input").
			WithFields(fieldsOf(err, "body")...)
	case errors.Is(ctx.Err(), context.Canceled) && pg.Is(err, pg.QueryCanceled):
		return fault.Wrap(err, fault.Canceled, "the client left")
	case errors.Is(err, context.DeadlineExceeded), pg.Is(err, pg.QueryCanceled), pg.Is(err, pg.LockNotAvailable):
		return fault.Wrap(err, fault.Timeout, "the request took too long")
	case pg.Down(err):
		return fault.Wrap(err, fault.Unavailable, "the database can't be reached right now").WithCode("database_unavailable")
	}
	if e != nil {
		return e
	}
	return fault.Wrap(err, fault.KindOf(err), "unexpected error")
}

// ofKey says whether it is the Idempotency-Key that can't be read.
func ofKey(err error) bool {
	var param *ogenerrors.DecodeParamError
	return errors.As(err, &param) && param.Name == KeyHeader
}

func errKey(err error) *fault.Error {
	var absent *validate.Error // how the generated code says that a header is not there; a malformed one is told otherwise
	if errors.As(err, &absent) {
		return fault.New(fault.Invalid, "an order needs an %s of your choice, so that asking again does not order again", KeyHeader).
			WithCode("idempotency_key_required").
			WithFields(fault.Field{Field: "header." + KeyHeader, Code: "required", Message: "is required"})
	}
	return ErrKey()
}

// ErrKey is the answer to a key that can't be used.
func ErrKey() *fault.Error {
	return fault.New(fault.Invalid, "the %s can't be used", KeyHeader).WithCode("bad_idempotency_key").
		WithFields(fault.Field{Field: "header." + KeyHeader, Code: "invalid", Message: "send one, of 1 to 255 visible ASCII characters"})
}

// jsonField finds the property at which decoding stopped, in the text of a jx error.
var jsonField = regexp.MustCompile(`decode field "([A-Za-z0-9_]{1,64})"`)

var unknownField = regexp.MustCompile(`unexpected field "([^"]{1,64})"`)

// fieldsOf names the invalid inputs of a decode or validation error in our own words.
func fieldsOf(err error, root string) []fault.Field {
	var param *ogenerrors.DecodeParamError
	var invalid *validate.Error
	switch {
	case errors.As(err, &param):
		return []fault.Field{{Field: string(param.In) + "." + param.Name, Code: "invalid", Message: reason(param.Err)}}
	case errors.As(err, &invalid):
		var out []fault.Field
		for _, f := range invalid.Fields {
			out = append(out, fault.Field{Field: join(root, f.Name), Code: "invalid", Message: reason(f.Error)})
		}
		return out
	}
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		return []fault.Field{{Field: join(root, m[1]), Code: "unknown_field", Message: "no such property"}}
	}
	if m := jsonField.FindStringSubmatch(err.Error()); m != nil {
		return []fault.Field{{Field: join(root, m[1]), Code: "malformed", Message: "wrong type or malformed"}}
	}
	return []fault.Field{{Field: root, Code: "malformed", Message: "not a well-formed JSON object"}}
}

// reason tells a validation error in words that are safe for a client: ogen's validators speak of lengths, ranges and
// patterns only, everything else is "not valid".
func reason(err error) string {
	var (
		short   *validate.MinLengthError
		long    *validate.MaxLengthError
		pattern *validate.NoRegexMatchError
	)
	switch {
	case errors.As(err, &short):
		return short.Error()
	case errors.As(err, &long):
		return long.Error()
	case errors.As(err, &pattern):
		return "does not match the pattern of the spec"
	case errors.Is(err, validate.ErrFieldRequired):
		return "is required"
	}
	return "is not valid"
}

func join(root, name string) string {
	if root == "" {
		return name
	}
	return root + "." + name
}

func errNoRoute() error {
	return fault.New(fault.NotFound, "there is nothing at this path; /api/docs lists what there is").WithCode("no_such_route")
}

func errMethod(method, allowed string) error {
	return fault.New(fault.MethodNotAllowed, "%.20s is not possible here; allowed: %s", method, allowed)
}
