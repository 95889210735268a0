package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/export"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
)

// dataAPI is the operations of the tag "data".
type dataAPI struct {
	account *account.Service
	export  *export.Service
	ids     *publicid.Codec
	log     *slog.Logger
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

// pagePatience is how long a client may take to read one page of an export: 1 MB at the most.
const pagePatience = 30 * time.Second

// ExportMe implements operation exportMe. Once lines are out a failure can't be a problem any more: the connection is cut, so
// that the client knows.
func (a dataAPI) ExportMe(ctx context.Context, req *oas.ExportRequest, w http.ResponseWriter) error {
	who := identity(ctx)
	if err := a.account.Confirm(ctx, who, req.CurrentPassword); err != nil {
		return err
	}
	e, err := a.export.Begin(ctx, who.Account)
	if err != nil {
		return err
	}
	defer func() {
		if err := e.End(ctx); err != nil {
			a.log.WarnContext(ctx, "the export's lease stays until it is over", "error", err)
		}
	}()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="`+e.Handle+`.ndjson"`)
	out := &stream{control: http.NewResponseController(w)}
	err = errors.Join(out.extend(), e.Write(ctx, w, out.flushed))
	switch {
	case err != nil && !out.begun:
		w.Header().Del("Content-Disposition")
		return err
	case err != nil:
		a.log.WarnContext(ctx, "an export was cut off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// stream is an answer that takes its time.
type stream struct {
	control *http.ResponseController
	begun   bool
}

func (s *stream) flushed() error {
	s.begun = true
	return errors.Join(ignoreUnsupported(s.control.Flush()), s.extend())
}

func (s *stream) extend() error {
	return ignoreUnsupported(s.control.SetWriteDeadline(time.Now().Add(pagePatience)))
}

// ignoreUnsupported lets writers pass that have no connection behind them.
func ignoreUnsupported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
