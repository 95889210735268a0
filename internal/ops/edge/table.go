package edge

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// table is the routing table in force.
type table struct {
	mu   sync.RWMutex
	apps map[string]*entry
	host map[string]*entry
}

// entry is the route of one app with its upstreams.
type entry struct {
	route    Route
	active   *upstream
	standby  *upstream
	draining []*upstream // left the route with requests in flight
}

// upstream is one release as the edge sees it.
type upstream struct {
	app       string
	target    Target
	transport *http.Transport
	flight    flight

	requests, failed, retried atomic.Uint64
}

func newTable() *table { return &table{apps: map[string]*entry{}, host: map[string]*entry{}} }

// take returns the release in charge of host, with the request counted as in flight, or nil. Call flight.done afterwards.
func (t *table) take(host string) *upstream {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.host[strings.ToLower(host)]
	if e == nil {
		e = t.host[""]
	}
	if e == nil {
		return nil
	}
	return e.active.begin()
}

// fallback returns the other warm release for a request that u could not take, counted as in flight, or nil. Where a swap
// happened meanwhile that is the release in charge now.
func (t *table) fallback(u *upstream) *upstream {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.apps[u.app]
	switch {
	case e == nil:
		return nil
	case e.active != u:
		return e.active.begin()
	case e.standby == nil || slices.Contains(e.route.Rejected, e.standby.target.Release):
		return nil
	}
	return e.standby.begin()
}

func (u *upstream) begin() *upstream {
	u.flight.add()
	u.requests.Add(1)
	return u
}

// check says whether c may be applied, and returns the route it would make.
func (t *table) check(c Change, now time.Time) (Route, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, current := t.apps[c.App], ""
	if e != nil {
		current = e.route.Active.Release
		if c.Token < e.route.Token {
			return Route{}, fault.New(fault.Busy, "token %d is older than %d: another deploy took over", c.Token, e.route.Token).
				WithCode("stale_token")
		}
	}
	if c.Expect != current {
		return Route{}, fault.New(fault.Conflict, "the edge routes to %q, not to %q", current, c.Expect).
			WithCode("other_release").WithHint("someone else deployed meanwhile; look at `platctl status` and run it again")
	}
	if other := t.host[c.Host]; other != nil && other != e {
		return Route{}, fault.New(fault.Conflict, "host %q belongs to %s", c.Host, other.route.App).WithCode("host_taken")
	}
	next := Route{App: c.App, Host: c.Host, Active: c.Active, Token: c.Token, Since: now.UTC()}
	if e != nil {
		next.Rejected = slices.Clone(e.route.Rejected)
		if current != c.Active.Release {
			standby := e.route.Active
			next.Standby = &standby
		} else {
			next.Standby, next.Since = e.route.Standby, e.route.Since
		}
	}
	if c.Reject != "" && !slices.Contains(next.Rejected, c.Reject) {
		next.Rejected = append(next.Rejected, c.Reject)
	}
	next.Rejected = next.Rejected[max(0, len(next.Rejected)-maxRejected):]
	return next, nil
}

// maxRejected bounds the list in the routes file; the ledger has them all.
const maxRejected = 50

// swap puts route in force. It returns how long routing was locked, and the upstreams nothing uses any more.
func (t *table) swap(route Route) (time.Duration, []*upstream) {
	t.mu.Lock()
	start := time.Now()
	e := t.apps[route.App]
	if e == nil {
		e = &entry{}
		t.apps[route.App] = e
	}
	known := e.upstreams()
	delete(t.host, e.route.Host)
	e.route = route
	e.active = pick(known, route.App, route.Active)
	e.standby = nil
	if route.Standby != nil {
		e.standby = pick(known, route.App, *route.Standby)
	}
	t.host[route.Host] = e
	var gone []*upstream
	e.draining = nil
	for _, u := range known {
		switch {
		case u == e.active || u == e.standby:
		case u.flight.count() > 0:
			e.draining = append(e.draining, u)
		default:
			gone = append(gone, u)
		}
	}
	took := time.Since(start)
	t.mu.Unlock()
	return took, gone
}

// pick reuses the upstream of a release, so that its counts and connections go on when it comes back.
func pick(known []*upstream, app string, to Target) *upstream {
	for _, u := range known {
		if u.target == to {
			return u
		}
	}
	return newUpstream(app, to)
}

func (e *entry) upstreams() []*upstream {
	var out []*upstream
	for _, u := range append([]*upstream{e.active, e.standby}, e.draining...) {
		if u != nil {
			out = append(out, u)
		}
	}
	return out
}

// find returns the upstream of a release, or nil when nothing is known of it, which means that nothing is in flight.
func (t *table) find(app, release string) *upstream {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.apps[app]; e != nil {
		for _, u := range e.upstreams() {
			if u.target.Release == release {
				return u
			}
		}
	}
	return nil
}

// routes returns the table as data, in the order of the apps' names.
func (t *table) routes() []RouteState {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]RouteState, 0, len(t.apps))
	for _, e := range t.apps {
		rs := RouteState{Route: e.route}
		for _, u := range e.upstreams() {
			rs.Counts = append(rs.Counts, Count{
				Release: u.target.Release, Requests: u.requests.Load(), Failed: u.failed.Load(),
				Retried: u.retried.Load(), InFlight: u.flight.count(),
			})
		}
		out = append(out, rs)
	}
	slices.SortFunc(out, func(a, b RouteState) int { return strings.Compare(a.App, b.App) })
	return out
}
