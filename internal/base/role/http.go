package role

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
)

const maxBody = 64 << 10

// Handler serves GET /role and PUT /role for h. A stale token is answered with 409, a malformed signal with 400.
func Handler(h *Holder) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /role", func(w http.ResponseWriter, _ *http.Request) { writeDoc(w, h.Get()) })
	mux.HandleFunc("PUT /role", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			writeError(w, fault.Wrap(err, fault.Invalid, "the signal can't be read"))
			return
		}
		d, err := Parse(body)
		if err == nil {
			err = h.Set(d)
		}
		if err != nil {
			writeError(w, err)
			return
		}
		writeDoc(w, h.Get())
	})
	return mux
}

// Send tells the release behind the control socket its role.
func Send(ctx context.Context, socket string, d Document) error {
	body, err := d.Marshal()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://release/role", bytes.NewReader(body))
	if err != nil {
		return fault.Op("send role", err)
	}
	_, err = do(socket, req)
	return fault.Op("send role", err)
}

// Get asks the release behind the control socket for its role.
func Get(ctx context.Context, socket string) (Document, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://release/role", nil)
	if err != nil {
		return Document{}, fault.Op("get role", err)
	}
	body, err := do(socket, req)
	if err != nil {
		return Document{}, fault.Op("get role", err)
	}
	return Parse(body)
}

func do(socket string, req *http.Request) ([]byte, error) {
	resp, err := unixsock.Client(socket).Do(req)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the release does not answer on its control socket")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the release broke off its answer")
	}
	if resp.StatusCode == http.StatusOK {
		return body, nil
	}
	var p problem
	_ = json.Unmarshal(body, &p)
	if p.Detail == "" {
		p.Detail = "the release answered " + resp.Status
	}
	kind := fault.Failed
	if resp.StatusCode == http.StatusConflict {
		kind = fault.Conflict
	}
	return nil, fault.New(kind, "%s", p.Detail).WithCode(p.Code)
}

type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

func writeDoc(w http.ResponseWriter, d Document) {
	b, err := d.Marshal()
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

func writeError(w http.ResponseWriter, err error) {
	m := fault.Lookup(fault.KindOf(err))
	p := problem{Status: m.Status, Title: m.Title, Detail: fault.From(err).Message, Code: string(m.Kind)}
	var e *fault.Error
	if errors.As(err, &e) && e.Code != "" {
		p.Code = e.Code
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
