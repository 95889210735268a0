package server_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/server"
)

// eachStep calls a function at the beginning of each step, before it is done.
type eachStep struct {
	slog.Handler
	at func(step string)
}

// Handle implements slog.Handler.
func (h eachStep) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "stopping" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "step" {
				h.at(a.Value.String())
			}
			return true
		})
	}
	return h.Handler.Handle(ctx, r)
}

// moment is what can be seen of a server between two steps.
type moment struct {
	step     string
	ready    bool // says that it is ready, or takes no connection
	accepts  bool // takes connections
	requests int  // under way
	feeds    int  // sessions that follow revocations
}

// Stopping takes one thing away after the other, and at each step everything is still there that ends later: a request that began
// before is answered, with the feeds that it needs.
func TestStepsOfStopping(t *testing.T) {
	t.Parallel()
	var look func(step string)
	env := apitest.New(t, waitingForLocks(t), func(o *server.Options) {
		o.Log = slog.New(eachStep{o.Log.Handler(), func(step string) { look(step) }})
	})
	ana, _ := env.Signup("ana")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	unlock := lockTable(t, env, "posts")
	var seen []moment
	look = func(step string) {
		if step == "shutdown" {
			defer unlock() // the request ends while the step waits for it
		}
		seen = append(seen, momentOf(t, env, "http://"+l.Addr().String(), step))
	}
	ended := make(chan error, 1)
	go func() {
		ended <- env.Server.Run(ctx, l, server.Step{Name: "then", Do: func() error { return nil }})
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+posts, strings.NewReader(`{"body":"plums"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+ana.AccessToken)
	req.Header.Set("Content-Type", "application/json")
	posted := make(chan int, 1)
	go func() {
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			posted <- 0
			return
		}
		_ = res.Body.Close()
		posted <- res.StatusCode
	}()
	for active(t, env) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if code := <-posted; code != http.StatusCreated {
		t.Errorf("the request under way: %d", code)
	}
	want := []moment{
		{"not ready", true, true, 1, 1}, {"drain", false, true, 1, 1}, {"shutdown", false, true, 1, 1}, {"jobs", true, false, 0, 1},
		{"feeds", true, false, 0, 1}, {"then", true, false, 0, 0},
	}
	if !slices.Equal(seen, want) {
		t.Errorf("seen\n%+v, want\n%+v", seen, want)
	}
}

func momentOf(t *testing.T, env *apitest.Env, url, step string) moment {
	w := moment{step: step, ready: true}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if res, err := c.Get(url + "/api/ready"); err == nil {
		_ = res.Body.Close()
		w.accepts, w.ready = true, res.StatusCode == http.StatusOK
	}
	w.requests = int(active(t, env))
	const feeds = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'platctl revocations'"
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := env.Pool.QueryRow(t.Context(), feeds).Scan(&w.feeds); err != nil {
			t.Error(err)
		}
		if step != "then" || w.feeds == 0 || time.Now().After(end) {
			return w // the server's process for a session ends a moment after the session
		}
	}
}

// active is how many requests are under way.
func active(t *testing.T, env *apitest.Env) float64 {
	m := regexp.MustCompile(`(?m)^http_server_active_requests (\d+)$`).FindStringSubmatch(metrics(t, env))
	if m == nil {
		t.Error("no gauge of requests under way")
		return -1
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Error(err)
	}
	return n
}
