package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/openapi/client"
)

var restarts = flag.Int("restarts", 2, "how often TestRestartsUnderLoad stops a server; `make restarts` does it 20 times")

const writers = 8 // people who post, and who read what they follow

// Two servers on one database take turns in being stopped by SIGTERM and started again, under load through a balancer: no
// request fails, and every write that was acknowledged is there.
func TestRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSite(t, "PLATCTL_SERVER_DRAIN_DELAY=500ms", "PLATCTL_LOG_LEVEL=warn")
	b := newBalancer(t)
	pair := [2]*replica{s.start(t), s.start(t)}
	for _, r := range pair {
		b.add(r)
	}
	load := startLoad(t, b)
	for i := range *restarts {
		r := &pair[i%2]
		load.answered(20) // by both
		(*r).stop(t)
		*r = s.start(t)
		b.add(*r)
	}
	load.answered(20)
	posts := load.end()
	t.Logf("%d restarts, %d requests, %d posts", *restarts, load.sent.Load(), len(posts))
	for _, p := range posts {
		got, err := p.author.GetPost(t.Context(), client.GetPostParams{ID: p.id})
		if err != nil || got.Data.Body != p.body {
			t.Errorf("an acknowledged post is not there: %+v, %v", got, err)
		}
	}
	for _, r := range pair {
		r.stop(t)
	}
}

// load is people who post and read on a fixed schedule, whatever the answers take.
type load struct {
	t          testing.TB
	people     [writers]*client.Client
	stop       chan struct{}
	wg         sync.WaitGroup
	sent, good atomic.Int64

	mu    sync.Mutex
	posts []posted
}

// posted is a write that was acknowledged.
type posted struct {
	author *client.Client
	id     client.PostId
	body   string
}

const perSecond = 100

func startLoad(t testing.TB, b *balancer) *load {
	t.Helper()
	l := &load{t: t, stop: make(chan struct{})}
	for i := range l.people {
		l.people[i] = signUp(t, "http://balancer", fmt.Sprintf("writer%d", i), &http.Client{Transport: b})
	}
	l.wg.Go(l.schedule)
	return l
}

func (l *load) schedule() {
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.wg.Go(func() { l.request(n) })
		}
	}
}

func (l *load) request(n int) {
	who := l.people[n/2%writers]
	l.sent.Add(1)
	if n%2 == 0 {
		if _, err := who.ListFeed(context.Background(), client.ListFeedParams{}); err != nil {
			l.t.Errorf("request %d, a feed: %v", n, err)
			return
		}
		l.good.Add(1)
		return
	}
	body := fmt.Sprintf("number %d", n)
	res, err := who.CreatePost(context.Background(), &client.CreatePostRequest{Body: body})
	if err != nil {
		l.t.Errorf("request %d, a post: %v", n, err)
		return
	}
	l.good.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posts = append(l.posts, posted{who, res.Data.ID, body})
}

// answered waits for n more good answers.
func (l *load) answered(n int64) {
	l.t.Helper()
	want := l.good.Load() + n
	for end := time.Now().Add(time.Minute); l.good.Load() < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatal("no more answers come")
		}
	}
}

// end stops the schedule, waits for the last answer and returns what was acknowledged.
func (l *load) end() []posted {
	close(l.stop)
	l.wg.Wait()
	return l.posts
}

// signUp makes an account and returns its client.
func signUp(t testing.TB, url, handle string, c *http.Client) *client.Client {
	t.Helper()
	return clientOf(t, url, bearerToken(newSession(t, url, handle, c).AccessToken), c)
}

// newSession makes an account and returns its first session.
func newSession(t testing.TB, url, handle string, c *http.Client) client.Session {
	t.Helper()
	res, err := clientOf(t, url, bearerToken(""), c).Signup(t.Context(), &client.SignupRequest{
		Handle: client.Handle(handle), DisplayName: handle, Password: "correct horse",
	})
	made, ok := res.(*client.SessionResponse)
	if err != nil || !ok {
		t.Fatalf("%T, %v", res, err)
	}
	return made.Data
}

func clientOf(t testing.TB, url string, who client.SecuritySource, c *http.Client) *client.Client {
	t.Helper()
	out, err := client.NewClient(url, who, client.WithClient(c))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type bearerToken string

// Bearer implements the generated SecuritySource.
func (s bearerToken) Bearer(context.Context, client.OperationName) (client.Bearer, error) {
	return client.Bearer{Token: string(s)}, nil
}

// The second SIGTERM ends a server at once, in the middle of its drain, and the log tells which request that cut off.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, "PLATCTL_SERVER_DRAIN_DELAY=10m", "PLATCTL_DEBUG_FAULT_DELAY=10m")
	r := s.start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET /api/v1/products HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	until(t, r, "the request is being answered", func() bool { return strings.Contains(metricsOf(t, r), "\nhttp_server_active_requests 1\n") })
	r.terminate(t)
	until(t, r, "it drains", func() bool {
		res, err := http.Get(r.url + "/api/ready")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	r.terminate(t)
	select {
	case <-r.ended:
	case <-time.After(time.Minute):
		t.Fatalf("it still runs: %s", r.log)
	}
	if ws := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want the signal", r.cmd.ProcessState)
	}
	if log := r.log.String(); !strings.Contains(log, `"msg":"cut off","route":"listProducts"`) {
		t.Errorf("the log does not name the request: %s", log)
	}
}

func metricsOf(t testing.TB, r *replica) string {
	t.Helper()
	res, err := http.Get(r.metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func until(t *testing.T, r *replica, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s\n%s", what, r.log)
		}
	}
}
