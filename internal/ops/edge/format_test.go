package edge

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/golden"
	"github.com/platctl/platctl/internal/ops/process"
)

// The command and the edge are two processes that are upgraded one after the other: what they say to each other is a
// format like any file.
func TestControlGolden(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	rs := RouteState{Route: sampleRoutes()[0], Counts: []Count{{Release: "2-2.0.0", Requests: 5, Failed: 1, Retried: 2, InFlight: 3}}}
	doc := map[string]any{
		"state": State{
			Schema: Schema().String(), Process: process.ID{PID: 7, Start: 8, Boot: "b"}, Version: "1.0.0", Listen: "127.0.0.1:80",
			Since: at, Draining: true, Routes: []RouteState{rs}, Problems: []string{"p"},
		},
		"change": Change{
			Schema: Schema().String(), App: "market", Host: "h", Expect: "1-1.0.0", Active: rs.Active, Reject: "3-3.0.0", Token: 9, Durable: true,
		},
		"changed": Changed{Route: rs, SwapNS: 10, Stored: "s"},
		"drain":   Drain{App: "market", Release: "1-1.0.0", TimeoutMS: 11},
		"drained": Drained{InFlight: 12},
		"refusal": refusal{Kind: "busy", Code: "stale_token", Message: "m", Hint: "h"},
	}
	got, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/control.v1.json", append(got, '\n'), *update)
}

func TestControlOfNeighbouringVersions(t *testing.T) {
	t.Parallel()
	for v, ok := range map[string]bool{"0": true, "1": true, "2": true, "3": false} {
		head := `{"schema":"platctl.edge/v` + v + `","more":1,`
		var s State
		if err := Schema().Decode([]byte(head+`"routes":[{"app":"a","more":2}]}`), &s); (err == nil) != ok || ok && s.Route("a") == nil {
			t.Errorf("state v%s: %v", v, err)
		}
		var c Change
		if err := readControl(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/route", strings.NewReader(head+`"app":"a","token":4}`)), &c); (err == nil) != ok || ok && c.Token != 4 {
			t.Errorf("change v%s: %v", v, err)
		}
	}
}
