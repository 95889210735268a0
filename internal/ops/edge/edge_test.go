package edge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/clientaddr"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
)

// rig is an edge with a directory of its own, on real sockets.
type rig struct {
	dir  string
	edge *Edge
	ctl  Client
	url  string
	stop func()
}

func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func options(dir string) Options {
	return Options{
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", ControlSocket: filepath.Join(dir, "edge.sock"),
		RoutesFile: filepath.Join(dir, "routes.json"), LockFile: filepath.Join(dir, "edge.lock"),
		DrainDelay: 50 * time.Millisecond, Grace: 20 * time.Second, Version: "test",
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func startRig(t testing.TB, dir string, change ...func(*Options)) *rig {
	t.Helper()
	o := options(dir)
	for _, c := range change {
		c(&o)
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("edge: %v", err)
		}
	})
	t.Cleanup(stop)
	return &rig{dir: dir, edge: e, ctl: Client{Socket: filepath.Join(dir, "edge.sock")}, url: "http://" + e.Addr(), stop: stop}
}

// release serves h on a unix socket and returns its target.
func release(t testing.TB, dir, name string, h http.Handler) (Target, *http.Server) {
	t.Helper()
	socket := filepath.Join(dir, name+".sock")
	ln, err := unixsock.Listen(socket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return Target{Release: name, Socket: socket}, srv
}

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, text)
	})
}

func (r *rig) route(t testing.TB, expect string, to Target, token uint64) *Changed {
	t.Helper()
	done, err := r.ctl.Apply(context.Background(), Change{App: "market", Expect: expect, Active: to, Token: token, Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func get(t testing.TB, url string) (int, string, http.Header) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestSwapIsCompareAndSwapWithAToken(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	one, _ := release(t, r.dir, "1-1.0.0", says("one"))
	two, _ := release(t, r.dir, "2-2.0.0", says("two"))

	if status, body, _ := get(t, r.url); status != 503 || !strings.Contains(body, `"code":"no_release"`) {
		t.Fatalf("no route: %d %s", status, body)
	}
	r.route(t, "", one, 5)
	if _, body, _ := get(t, r.url); body != "one" {
		t.Fatalf("got %q", body)
	}
	for name, c := range map[string]struct {
		change Change
		kind   fault.Kind
		code   string
	}{
		"stale token":   {Change{Expect: "1-1.0.0", Active: two, Token: 4}, fault.Busy, "stale_token"},
		"other release": {Change{Expect: "", Active: two, Token: 6}, fault.Conflict, "other_release"},
		"dead target":   {Change{Expect: "1-1.0.0", Active: Target{"3", filepath.Join(r.dir, "none")}, Token: 6}, fault.Failed, "not_listening"},
		"no target":     {Change{Expect: "1-1.0.0", Token: 6}, fault.Invalid, ""},
		"relative":      {Change{Expect: "1-1.0.0", Active: Target{"3", "x.sock"}, Token: 6}, fault.Invalid, ""},
	} {
		c.change.App = "market"
		_, err := r.ctl.Apply(t.Context(), c.change)
		if !errors.Is(err, c.kind) || fault.From(err).Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, body, _ := get(t, r.url); body != "one" {
		t.Fatalf("a refused change took effect: %q", body)
	}
	done := r.route(t, "1-1.0.0", two, 5)
	if done.Route.Standby == nil || done.Route.Standby.Release != "1-1.0.0" {
		t.Fatalf("standby %+v", done.Route.Standby)
	}
	if _, body, _ := get(t, r.url); body != "two" {
		t.Fatalf("got %q", body)
	}
	st, err := r.ctl.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := st.Route("market").Count("1-1.0.0"); n.Requests != 2 || n.Failed != 0 {
		t.Fatalf("counts of the first: %+v", n)
	}
}

func TestNoRequestReachesADrainedRelease(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	enter, leave := make(chan struct{}), make(chan struct{})
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			close(enter)
			<-leave
		}
		fmt.Fprint(w, "one")
	}))
	two, _ := release(t, r.dir, "2", says("two"))
	r.route(t, "", one, 1)
	slow := make(chan string, 1)
	go func() {
		_, body, _ := get(t, r.url+"/slow")
		slow <- body
	}()
	<-enter
	r.route(t, "1", two, 1)
	if n, err := r.ctl.Drain(t.Context(), "market", "1", 10*time.Millisecond); err != nil || n != 1 {
		t.Fatalf("%d in flight, %v; want the slow one", n, err)
	}
	if _, body, _ := get(t, r.url); body != "two" {
		t.Fatalf("a new request went to %q", body)
	}
	close(leave)
	if n, err := r.ctl.Drain(t.Context(), "market", "1", 30*time.Second); err != nil || n != 0 {
		t.Fatalf("%d in flight, %v", n, err)
	}
	if body := <-slow; body != "one" {
		t.Fatalf("the slow request got %q", body)
	}
}

func TestRefusedConnectionFallsBackWithTheWholeBody(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	var got []string
	var mu sync.Mutex
	echo := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			b, _ := io.ReadAll(req.Body)
			mu.Lock()
			got = append(got, name+":"+string(b))
			mu.Unlock()
			fmt.Fprint(w, name)
		})
	}
	one, _ := release(t, r.dir, "1", echo("one"))
	two, srv := release(t, r.dir, "2", echo("two"))
	r.route(t, "", one, 1)
	r.route(t, "1", two, 1)
	srv.Close()
	resp, err := http.Post(r.url, "text/plain", strings.NewReader("order"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || len(got) != 1 || got[0] != "one:order" {
		t.Fatalf("status %d, executed %q", resp.StatusCode, got)
	}
	st, err := r.ctl.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := st.Route("market").Count("2"); n.Retried != 1 || n.Failed != 1 || n.InFlight != 0 {
		t.Fatalf("counts %+v", n)
	}
	if n := st.Route("market").Count("1"); n.Requests != 1 || n.InFlight != 0 {
		t.Fatalf("counts of the other %+v", n)
	}
}

func TestARejectedReleaseIsNoFallback(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	one, srv := release(t, r.dir, "1", says("one"))
	two, _ := release(t, r.dir, "2", says("two"))
	r.route(t, "", one, 1)
	r.route(t, "1", two, 1)
	if _, err := r.ctl.Apply(t.Context(), Change{App: "market", Expect: "2", Active: one, Reject: "2", Token: 2}); err != nil {
		t.Fatal(err)
	}
	srv.Close()
	status, body, head := get(t, r.url)
	if status != 502 || head.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %s", status, body)
	}
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Source != "platctl-edge" || len(p.TraceID) != 32 || p.Success {
		t.Fatalf("%+v, %v", p, err)
	}
	if strings.Contains(body, r.dir) {
		t.Fatal("the answer tells where the socket is")
	}
}

// A POST that was sent and never answered must not be sent again: it may have been executed.
func TestABrokenAnswerIsNotRetried(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	var mu sync.Mutex
	n := 0
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		n++
		mu.Unlock()
		panic(http.ErrAbortHandler)
	}))
	two, _ := release(t, r.dir, "2", says("two"))
	r.route(t, "", two, 1)
	r.route(t, "2", one, 1)
	resp, err := http.Post(r.url, "text/plain", strings.NewReader("order"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 502 || n != 1 {
		t.Fatalf("status %d, executed %d times", resp.StatusCode, n)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	seen := make(chan *http.Request, 1)
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen <- req
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
	}))
	r.route(t, "", one, 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/p?a=1;b=%zz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example"
	req.Header.Set("X-Forwarded-For", "6.6.6.6")
	req.Header.Set("X-Real-Ip", "6.6.6.6")
	req.Header.Set("Connection", "X-Mine")
	req.Header.Set("X-Mine", "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	got := <-seen
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "http", "X-Real-Ip": "", "X-Mine": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if got.Host != "shop.example" || got.URL.RawQuery != "a=1;b=%zz" || len(got.Header.Get("Traceparent")) != 55 {
		t.Errorf("host %q query %q trace %q", got.Host, got.URL.RawQuery, got.Header.Get("Traceparent"))
	}
	if resp.Header.Get("X-Hop") != "" {
		t.Error("a hop-by-hop header of the release reached the client")
	}
}

// Behind a proxy that is trusted the client is whom that names, and what the client claims is not passed on.
func TestClientBehindAProxy(t *testing.T) {
	t.Parallel()
	clients, err := clientaddr.New("127.0.0.1", clientaddr.XForwardedFor)
	if err != nil {
		t.Fatal(err)
	}
	r := startRig(t, shortDir(t), func(o *Options) { o.Clients = clients })
	seen := make(chan []string, 1)
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { seen <- req.Header.Values("X-Forwarded-For") }))
	r.route(t, "", one, 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.113.9")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := <-seen; len(got) != 1 || got[0] != "203.0.113.9" {
		t.Errorf("the release is told %q", got)
	}
}

func TestOneEdgePerApp(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	if _, err := New(options(r.dir)); !errors.Is(err, fault.Busy) {
		t.Fatalf("a second edge: %v", err)
	}
	other := options(shortDir(t))
	other.Listen = r.edge.Addr()
	if _, err := New(other); !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "taken") {
		t.Fatalf("a taken address: %v", err)
	}
	if _, err := r.ctl.State(t.Context()); err != nil {
		t.Fatalf("the first edge lost its control socket: %v", err)
	}
}

func TestDiskFullRefusesADeployAndLetsARollbackThrough(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	one, _ := release(t, r.dir, "1", says("one"))
	two, _ := release(t, r.dir, "2", says("two"))
	r.route(t, "", one, 1)
	if err := os.MkdirAll(filepath.Join(r.dir, "routes.json.tmp", "x"), 0o700); err != nil { // no file can be written there
		t.Fatal(err)
	}
	c := Change{App: "market", Expect: "1", Active: two, Token: 2, Durable: true}
	if _, err := r.ctl.Apply(t.Context(), c); fault.From(err).Code != "not_stored" {
		t.Fatalf("durable: %v", err)
	}
	if _, body, _ := get(t, r.url); body != "one" {
		t.Fatalf("a refused change took effect: %q", body)
	}
	c.Durable = false
	done, err := r.ctl.Apply(t.Context(), c)
	if err != nil || done.Stored == "" {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, body, _ := get(t, r.url); body != "two" {
		t.Fatalf("got %q", body)
	}
	if st, err := r.ctl.State(t.Context()); err != nil || len(st.Problems) != 1 {
		t.Fatalf("%+v, %v", st, err)
	}
}

func TestSoftDrainOfTheEdge(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	enter, leave := make(chan struct{}), make(chan struct{})
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			close(enter)
			<-leave
		}
		fmt.Fprint(w, "ok")
	}))
	r.route(t, "", one, 1)
	idle, err := net.Dial("tcp", r.edge.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	ask := func(br *bufio.Reader) *http.Response {
		fmt.Fprintf(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp
	}
	br := bufio.NewReader(idle)
	if ask(br).Close {
		t.Fatal("a healthy edge closes connections")
	}
	slow := make(chan int, 1)
	go func() {
		status, _, _ := get(t, r.url+"/slow")
		slow <- status
	}()
	<-enter
	r.edge.opts.DrainDelay = 300 * time.Millisecond
	stopped := make(chan struct{})
	go func() { r.stop(); close(stopped) }()
	<-r.edge.stopping
	if !ask(br).Close {
		t.Fatal("a kept connection was not told to close")
	}
	close(leave)
	if status := <-slow; status != 200 {
		t.Fatalf("the request in flight got %d", status)
	}
	<-stopped
	if unixsock.Answers(r.ctl.Socket) {
		t.Fatal("the control socket is still there")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	r.route(t, "", one, 1)
	get(t, r.url)
	_, body, _ := get(t, "http://"+r.edge.AdminAddr()+"/metrics")
	for _, want := range []string{
		`platctl_edge_requests_total{app="market",release="1"} 1`, `platctl_edge_failed_total{app="market",release="1"} 1`,
		`platctl_edge_in_flight{app="market",release="1"} 0`, `platctl_edge_active{app="market",release="1"} 1`, "platctl_edge_swaps_total 1",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestControlRefusesGarbage(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	for _, body := range []string{"", "{", "[]", `{"schema":"platctl.edge/v9"}`, strings.Repeat("x", maxControlBody+1)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://edge/route", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := unixsock.Client(r.ctl.Socket).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("%.40q: %d", body, resp.StatusCode)
		}
	}
}

func TestClientBodyThatBreaksIsTheClientsFault(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	one, _ := release(t, r.dir, "1", says("one"))
	r.route(t, "", one, 1)
	c, err := net.Dial("tcp", r.edge.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 400 {
		t.Fatalf("%+v, %v", resp, err)
	}
	if st, err := r.ctl.State(t.Context()); err != nil || st.Route("market").Count("1").Failed != 0 {
		t.Fatalf("counted against the release: %+v, %v", st, err)
	}
}

func TestStreamsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	leave := make(chan struct{})
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: first\n\n")
		w.(http.Flusher).Flush()
		<-leave
	}))
	r.route(t, "", one, 1)
	resp, err := http.Get(r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	close(leave)
	if err != nil || line != "data: first\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

func TestUpgradedConnectionsPassAndCountAsInFlight(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := rw.ReadString('\n')
		fmt.Fprint(c, line)
	}))
	r.route(t, "", one, 1)
	c, err := net.Dial("tcp", r.edge.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%+v, %v", resp, err)
	}
	if n, err := r.ctl.Drain(t.Context(), "market", "1", time.Millisecond); err != nil || n != 1 {
		t.Fatalf("%d in flight, %v", n, err)
	}
	fmt.Fprint(c, "hello\n")
	if line, err := br.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	c.Close() // an upgraded connection ends when both sides have closed it
	if n, err := r.ctl.Drain(t.Context(), "market", "1", 30*time.Second); err != nil || n != 0 {
		t.Fatalf("%d in flight, %v", n, err)
	}
}

func TestLargeBodiesPassBothWays(t *testing.T) {
	t.Parallel()
	r := startRig(t, shortDir(t))
	one, _ := release(t, r.dir, "1", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) }))
	r.route(t, "", one, 1)
	body := strings.Repeat("0123456789abcdef", 1<<16)
	resp, err := http.Post(r.url, "application/octet-stream", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != body {
		t.Fatalf("%d of %d bytes, %v", len(got), len(body), err)
	}
}
