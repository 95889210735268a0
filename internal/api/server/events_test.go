package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/events"
)

// A signup and a post leave an event each, with the trace id of the request that made it; a request that failed leaves none.
func TestEventsOfWriters(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	res, body := send(t, env, badInput{path: "/api/v1/posts", body: `{"body":"plums"}`}, ana.AccessToken)
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	send(t, env, badInput{path: "/api/v1/auth/signup", anonymous: true,
		body: `{"handle":"ANA","password":"correct horse","displayName":"Other"}`}, "")
	var out bytes.Buffer
	n, err := events.NewRelay(env.Pool, slog.New(slog.NewJSONHandler(&out, nil)), time.Hour).Once(t.Context())
	if err != nil || n != 2 {
		t.Fatalf("%d events, %v; want 2\n%s", n, err, &out)
	}
	var kinds []string
	for sc := bufio.NewScanner(&out); sc.Scan(); {
		var line struct {
			Event   string
			TraceID string `json:"trace_id"`
			Data    map[string]any
		}
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, line.Event)
		if line.Event == events.PostCreated && line.TraceID != res.Header.Get("X-Trace-Id") {
			t.Errorf("event of trace %s, the request had %s", line.TraceID, res.Header.Get("X-Trace-Id"))
		}
		if line.TraceID == strings.Repeat("0", 32) || len(line.Data) != 2 {
			t.Errorf("%s", sc.Bytes())
		}
	}
	if strings.Join(kinds, " ") != "user_signup post_created" {
		t.Errorf("events %v", kinds)
	}
}
