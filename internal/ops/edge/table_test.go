package edge

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

func target(n int) Target { return Target{Release: fmt.Sprint(n), Socket: fmt.Sprintf("/r%d", n)} }

func TestAHostBelongsToOneApp(t *testing.T) {
	t.Parallel()
	tb := newTable()
	tb.swap(Route{App: "shop", Host: "shop.example", Active: target(1)})
	change := Change{App: "market", Host: "shop.example", Active: target(2)}
	if _, err := tb.check(change, time.Now()); fault.From(err).Code != "host_taken" {
		t.Errorf("%v", err)
	}
	change.Host = "market.example"
	if _, err := tb.check(change, time.Now()); err != nil {
		t.Error(err)
	}
}

// The list travels in every answer and every file, so it is bounded; the latest are the ones a fallback could meet.
func TestRejectedReleasesAreBounded(t *testing.T) {
	t.Parallel()
	tb := newTable()
	tb.swap(Route{App: "a", Active: target(0)})
	const n = maxRejected + 3
	for i := range n {
		next, err := tb.check(Change{App: "a", Expect: fmt.Sprint(i), Active: target(i + 1), Reject: fmt.Sprint(i)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		tb.swap(next)
	}
	if got := tb.routes()[0].Rejected; len(got) != maxRejected || got[len(got)-1] != fmt.Sprint(n-1) {
		t.Errorf("%d: %v", len(got), got)
	}
}

// A change to the same release is not a new take-over: the standby and the time stay.
func TestAChangeToTheSameReleaseKeepsItsHistory(t *testing.T) {
	t.Parallel()
	tb, since, standby := newTable(), time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), target(1)
	tb.swap(Route{App: "a", Active: target(2), Standby: &standby, Since: since})
	next, err := tb.check(Change{App: "a", Expect: "2", Active: target(2)}, since.Add(time.Hour))
	if err != nil || !next.Since.Equal(since) || next.Standby == nil || *next.Standby != standby {
		t.Errorf("%+v, %v", next, err)
	}
}

// A slow answer is no idle connection, however long ago the request began.
func TestALongRequestKeepsTheDrainWaiting(t *testing.T) {
	t.Parallel()
	c, long := newConns(), time.Now().Add(-time.Hour)
	c.busy[&net.TCPConn{}] = busy{state: http.StateActive, since: long}
	c.busy[&net.UnixConn{}] = busy{state: http.StateNew, since: long}
	if n := c.count(); n != 1 {
		t.Errorf("%d busy connections; the new one has had its chance, the active one answers", n)
	}
}

func TestAStoppingEdgeTakesNoChange(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	one, _ := release(t, r.dir, "1", says("one"))
	r.edge.draining.Store(true)
	_, err := r.edge.Apply(Change{App: "market", Active: one, Token: 1})
	r.edge.draining.Store(false)
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
}
