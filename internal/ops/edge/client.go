package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
)

// Client talks to an edge through its control socket.
type Client struct {
	Socket string
}

// State asks what the edge does. An edge that does not answer is fault.Unavailable.
func (c Client) State(ctx context.Context) (*State, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var raw json.RawMessage
	if err := c.do(ctx, http.MethodGet, "/state", nil, &raw); err != nil {
		return nil, err
	}
	var s State
	if err := Schema().Decode(raw, &s); err != nil {
		return nil, fault.Op("ask edge", err)
	}
	return &s, nil
}

// Apply asks for a swap. An error of kind Unavailable leaves open whether it happened: ask State.
func (c Client) Apply(ctx context.Context, ch Change) (*Changed, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ch.Schema = Schema().String()
	var done Changed
	if err := c.do(ctx, http.MethodPut, "/route", ch, &done); err != nil {
		return nil, err
	}
	return &done, nil
}

// Drain waits until release has no request in flight, at most for timeout, and returns how many it has.
func (c Client) Drain(ctx context.Context, app, release string, timeout time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+5*time.Second)
	defer cancel()
	var d Drained
	err := c.do(ctx, http.MethodPost, "/drain", Drain{App: app, Release: release, TimeoutMS: timeout.Milliseconds()}, &d)
	return d.InFlight, err
}

func (c Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fault.Wrap(err, fault.Internal, "a control message can't be encoded")
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://edge"+path, body)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "a control message can't be made")
	}
	resp, err := unixsock.Client(c.Socket).Do(req)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return fault.Wrap(err, fault.Canceled, "interrupted while talking to the edge")
		}
		return fault.Wrap(cause(err), fault.Unavailable, "no edge answers on %s", c.Socket).
			WithHint("start one with `platctl edge --detach`; it restores its routes")
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the edge broke off its answer")
	}
	if resp.StatusCode != http.StatusOK {
		return refused(resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the edge's answer is not understood")
	}
	return nil
}

// cause leaves out what the message says already: the made-up URL and the socket's path.
func cause(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	return err
}

func refused(status int, data []byte) error {
	var r refusal
	if json.Unmarshal(data, &r) != nil || r.Message == "" {
		return fault.New(fault.Failed, "the edge answered %d", status)
	}
	e := fault.New(r.Kind, "%s", r.Message).WithCode(r.Code)
	e.Hint = r.Hint
	return e
}
