// Package edge is the proxy in front of the releases of an app: it owns the address clients talk to and decides, request
// by request, which release answers.
//
// Invariants:
//   - Choosing a release and counting the request against it are one step under one lock, and so is a swap. Once a swap
//     has returned, no new request is routed to the release that was left (only a request whose connection to the new one
//     could not even be opened falls back to it), so its count reaching zero means that it is drained.
//   - A swap is a compare-and-swap on the release in charge and carries a fencing token: a deploy that lost its lock, or
//     that planned on another state, is refused.
//   - Routes are on the disk before they are in force, the copy before them is kept, and each is read on its own: a bad
//     entry never drops another.
//   - A request is sent twice only when nothing of it was sent the first time (the connection could not be opened).
//   - The edge needs no database and no release to start.
//
// A bare http.Server.Shutdown loses requests: it closes kept connections on which a request may be under way, and drops
// requests read from a fresh connection (golang/go#23829, #75591). Run therefore drains softly first.
package edge

import (
	"log/slog"
	"time"

	"github.com/platctl/platctl/internal/base/clientaddr"
	"github.com/platctl/platctl/internal/base/format"
	"github.com/platctl/platctl/internal/ops/process"
)

// Target is one release and the unix socket it answers on.
type Target struct {
	Release string `json:"release"`
	Socket  string `json:"socket"`
}

// Route says which release answers for an app.
type Route struct {
	App      string    `json:"app"`
	Host     string    `json:"host,omitempty"` // the Host header it is for; empty: every other
	Active   Target    `json:"active"`
	Standby  *Target   `json:"standby,omitempty"`  // the one before, kept warm
	Rejected []string  `json:"rejected,omitempty"` // releases left by a rollback: never fallen back to
	Token    uint64    `json:"token"`              // fencing token of the last change
	Since    time.Time `json:"since"`              // when Active took over
}

// State is what GET /state answers, schema platctl.edge/v1.
type State struct {
	Schema   string       `json:"schema"`
	Process  process.ID   `json:"process"`
	Version  string       `json:"version"`
	Listen   string       `json:"listen"`
	Since    time.Time    `json:"since"`
	Draining bool         `json:"draining"`
	Routes   []RouteState `json:"routes"`
	Problems []string     `json:"problems,omitempty"` // what could not be restored or stored
}

// RouteState is a route with the counts of its releases since the edge started.
type RouteState struct {
	Route
	Counts []Count `json:"counts"` // of Active, Standby and releases that still finish requests
}

// Count is what the edge counted for one release.
type Count struct {
	Release  string `json:"release"`
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`  // answers of 500 and above, and upstream errors
	Retried  uint64 `json:"retried"` // requests it could not take that another release took
	InFlight int    `json:"in_flight"`
}

// Count returns the counts of a release, zero where the edge knows none.
func (r RouteState) Count(release string) Count {
	for _, c := range r.Counts {
		if c.Release == release {
			return c
		}
	}
	return Count{Release: release}
}

// Route returns the route of app, or nil.
func (s *State) Route(app string) *RouteState {
	for i := range s.Routes {
		if s.Routes[i].App == app {
			return &s.Routes[i]
		}
	}
	return nil
}

// Change asks for a swap: PUT /route.
type Change struct {
	Schema  string `json:"schema"`
	App     string `json:"app"`
	Host    string `json:"host,omitempty"`
	Expect  string `json:"expect"` // the release that must be in charge now; empty: there must be no route
	Active  Target `json:"active"`
	Reject  string `json:"reject,omitempty"` // a release that must not be fallen back to any more
	Token   uint64 `json:"token"`
	Durable bool   `json:"durable"` // refuse when the routes can't be stored; a rollback prefers traffic
}

// Changed is the answer to a Change.
type Changed struct {
	Route  RouteState `json:"route"`
	SwapNS int64      `json:"swap_ns"`          // how long routing was locked
	Stored string     `json:"stored,omitempty"` // why the routes could not be stored; empty: they are
}

// Drain asks to wait until a release has no request in flight: POST /drain.
type Drain struct {
	App       string `json:"app"`
	Release   string `json:"release"`
	TimeoutMS int64  `json:"timeout_ms"`
}

// Drained is the answer to a Drain.
type Drained struct {
	InFlight int `json:"in_flight"` // 0: drained
}

// Schema is the name and version of the control messages.
func Schema() format.Schema { return format.Schema{Name: "platctl.edge", Version: 1} }

// Options configures an edge.
type Options struct {
	Listen        string // HOST:PORT for clients
	AdminListen   string // HOST:PORT for metrics; empty: none
	ControlSocket string
	RoutesFile    string
	LockFile      string              // held while the edge runs, so that there is one per app
	DrainDelay    time.Duration       // how long to answer with Connection: close before closing the listener
	Grace         time.Duration       // how long requests in flight may take after that
	MaxConnsPerIP int                 // 0: no limit
	Clients       clientaddr.Resolver // who is behind the proxies before the edge
	Version       string
	Log           *slog.Logger
	Now           func() time.Time
}
