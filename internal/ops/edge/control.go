package edge

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
)

const maxControlBody = 64 << 10

// controlHandler serves the control socket, which only the owner of the app's directory can open.
func (e *Edge) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { reply(w, e.State(), nil) })
	mux.HandleFunc("PUT /route", func(w http.ResponseWriter, r *http.Request) {
		var c Change
		err := readControl(w, r, &c)
		if err != nil {
			reply(w, nil, err)
			return
		}
		done, err := e.Apply(c)
		reply(w, done, err)
	})
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, r *http.Request) {
		var d Drain
		if err := readControl(w, r, &d); err != nil {
			reply(w, nil, err)
			return
		}
		reply(w, e.waitDrained(r.Context(), d), nil)
	})
	return mux
}

// State returns what the edge does at the moment.
func (e *Edge) State() State {
	e.changes.Lock()
	problems := slices.Clone(e.problems)
	e.changes.Unlock()
	return State{
		Schema: Schema().String(), Process: e.self, Version: e.opts.Version, Listen: e.Addr(), Since: e.since,
		Draining: e.draining.Load(), Routes: e.table.routes(), Problems: problems,
	}
}

// Apply makes a change: checked, stored, then in force.
func (e *Edge) Apply(c Change) (*Changed, error) {
	e.changes.Lock()
	defer e.changes.Unlock()
	if e.draining.Load() {
		return nil, fault.New(fault.Unavailable, "the edge is stopping").WithHint("start it again with `platctl edge --detach`")
	}
	next, err := e.table.check(c, e.opts.Now())
	if err != nil {
		return nil, err
	}
	if err := next.valid(c.App); err != nil {
		return nil, err
	}
	if !unixsock.Answers(c.Active.Socket) {
		return nil, fault.New(fault.Failed, "release %s takes no connection on its socket", c.Active.Release).WithCode("not_listening")
	}
	var notStored string
	if err := e.store.save(e.with(next)); err != nil {
		notStored = "the routes can't be stored: " + err.Error()
		if c.Durable {
			return nil, fault.New(fault.Failed, "%s", notStored).WithCode("not_stored")
		}
		e.problems = append(e.problems[:min(len(e.problems), 20)], notStored)
	}
	took, gone := e.table.swap(next)
	e.swaps.Add(1)
	for _, u := range gone {
		u.transport.CloseIdleConnections()
	}
	e.log.Info("routed", slog.String("app", c.App), slog.String("release", c.Active.Release), slog.String("from", c.Expect),
		slog.Uint64("token", c.Token), slog.Duration("locked", took))
	return &Changed{Route: routeOf(e.table.routes(), c.App), SwapNS: took.Nanoseconds(), Stored: notStored}, nil
}

// with returns all routes, next in the place of its app's.
func (e *Edge) with(next Route) []Route {
	out := []Route{next}
	for _, rs := range e.table.routes() {
		if rs.App != next.App {
			out = append(out, rs.Route)
		}
	}
	return out
}

func routeOf(all []RouteState, app string) RouteState {
	for _, rs := range all {
		if rs.App == app {
			return rs
		}
	}
	return RouteState{}
}

func (e *Edge) waitDrained(ctx context.Context, d Drain) Drained {
	up := e.table.find(d.App, d.Release)
	if up == nil {
		return Drained{}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d.TimeoutMS)*time.Millisecond)
	defer cancel()
	go func() {
		select {
		case <-e.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return Drained{InFlight: up.flight.wait(ctx)}
}

func readControl(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the request can't be read")
	}
	if c, ok := v.(*Change); ok {
		return Schema().Decode(body, c)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fault.Wrap(err, fault.Invalid, "the request is not JSON")
	}
	return nil
}

// refusal is how the control socket says no.
type refusal struct {
	Kind    fault.Kind `json:"kind"`
	Code    string     `json:"code,omitempty"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

func reply(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		f := fault.From(err)
		v = refusal{Kind: f.Kind, Code: f.Code, Message: f.Message, Hint: f.Hint}
		w.WriteHeader(fault.Lookup(f.Kind).Status)
	}
	_ = json.NewEncoder(w).Encode(v)
}
