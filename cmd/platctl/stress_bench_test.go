package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/openapi/client"
)

// prober is somebody who uses the server while others press it: a feed and a post in turn, on a fixed schedule. What it measures
// begins when a request was due, so a server that stands still can't hide it.
type prober struct {
	b    *testing.B
	who  *client.Client
	rate int // requests a second

	mu   sync.Mutex
	took [2][]time.Duration // feeds and posts: what a post takes is the disk's business too
}

// run probes for a while and adds to what was measured.
func (p *prober) run(d time.Duration) {
	var wg sync.WaitGroup
	start := time.Now()
	step := time.Second / time.Duration(p.rate)
	for n := 0; ; n++ {
		due := start.Add(time.Duration(n) * step)
		if due.Sub(start) >= d {
			break
		}
		time.Sleep(time.Until(due))
		wg.Go(func() { p.request(n, due) })
	}
	wg.Wait()
}

func (p *prober) request(n int, due time.Time) {
	var err error
	if n%2 == 0 {
		_, err = p.who.ListFeed(p.b.Context(), client.ListFeedParams{})
	} else {
		_, err = p.who.CreatePost(p.b.Context(), &client.CreatePostRequest{Body: fmt.Sprintf("number %d", n)})
	}
	if err != nil {
		p.b.Error(err)
	}
	took := time.Since(due)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took[n%2] = append(p.took[n%2], took)
}

// quantile returns a quantile of the feeds or the posts, in milliseconds.
func (p *prober) quantile(kind int, q float64) float64 {
	slices.Sort(p.took[kind])
	return float64(p.took[kind][int(q*float64(len(p.took[kind])-1))].Microseconds()) / 1000
}

// A thousand clients log in at once, and somebody reads and posts meanwhile: what that costs them, and what it costs the server,
// with quiet and flooded seconds in turns.
func BenchmarkLoginFlood(b *testing.B) {
	r := newBenchSite(b, "PLATCTL_LOG_LEVEL=error").start(b)
	defer r.stop(b)
	who := signUp(b, r.url, "prober", &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}})
	quiet, flooded := &prober{b: b, who: who, rate: 50}, &prober{b: b, who: who, rate: 50}
	(&prober{b: b, who: who, rate: 50}).run(2 * time.Second)
	answers := map[int]int{}
	wrongLogin(b, r.url, "nobody") // starts the process that hashes
	hashing, idle := childOf(b, r.cmd.Process.Pid), statusKB(b, r.cmd.Process.Pid, "RssAnon")
	var peak, hashPeak float64
	for b.Loop() {
		quiet.run(5 * time.Second)
		f := startFlood(b, r.url)
		time.Sleep(time.Second) // a thousand handshakes
		done := make(chan struct{})
		go func() { flooded.run(5 * time.Second); close(done) }()
		for over := false; !over; {
			peak, hashPeak = max(peak, statusKB(b, r.cmd.Process.Pid, "RssAnon")), max(hashPeak, statusKB(b, hashing, "RssAnon"))
			select {
			case <-done:
				over = true
			case <-time.After(5 * time.Millisecond):
			}
		}
		f.stop(b, answers)
	}
	for kind, name := range []string{"feed", "post"} {
		b.ReportMetric(quiet.quantile(kind, .5), "ms-p50/"+name+"-quiet")
		b.ReportMetric(flooded.quantile(kind, .5), "ms-p50/"+name+"-flood")
		b.ReportMetric(quiet.quantile(kind, .99), "ms-p99/"+name+"-quiet")
		b.ReportMetric(flooded.quantile(kind, .99), "ms-p99/"+name+"-flood")
		b.ReportMetric(flooded.quantile(kind, .99)/quiet.quantile(kind, .99), "ratio-p99/"+name)
	}
	b.ReportMetric(hashPeak/1024, "MB-hashing")
	b.ReportMetric((peak-idle)/1024, "MB-server-growth") // a thousand connections
	for code, n := range answers {
		b.ReportMetric(float64(n)/float64(b.N), fmt.Sprintf("answered-%d/op", code))
	}
}

// childOf returns the process that a server has started.
func childOf(b *testing.B, pid int) int {
	b.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		b.Skip("children are read from /proc: ", err)
	}
	for _, path := range lists {
		data, _ := os.ReadFile(path) // a thread that has ended has none
		if child, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			return child
		}
	}
	b.Fatal("the server has started no process")
	return 0
}

// What a wrong password takes when somebody has the handle and when nobody has: in turns, 300 of each.
func BenchmarkLoginTime(b *testing.B) {
	r := newBenchSite(b, "PLATCTL_LOG_LEVEL=error").start(b)
	defer r.stop(b)
	signUp(b, r.url, "somebody", http.DefaultClient)
	handles := [2]string{"somebody", "nobody"}
	var took [2][]time.Duration
	for b.Loop() {
		for i := range 600 {
			start := time.Now()
			if code := wrongLogin(b, r.url, handles[i%2]); code != http.StatusUnauthorized {
				b.Fatalf("a wrong login is answered %d", code)
			}
			took[i%2] = append(took[i%2], time.Since(start))
		}
	}
	var p50 [2]float64
	for i := range took {
		slices.Sort(took[i])
		p50[i] = float64(took[i][len(took[i])/2].Microseconds()) / 1000
	}
	b.ReportMetric(p50[0], "ms-p50/known")
	b.ReportMetric(p50[1], "ms-p50/unknown")
	b.ReportMetric(math.Abs(p50[0]-p50[1]), "ms-apart")
}

func wrongLogin(b *testing.B, url, handle string) int {
	b.Helper()
	res, err := http.Post(url+"/api/v1/auth/login", "application/json", strings.NewReader(`{"handle":"`+handle+`","password":"wrong horse"}`))
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// What tracing costs the server at 10 % sampling: CPU per request of two processes on one database, one that exports its spans to
// a collector and one that doesn't, in turns. The collector and the client are in this process, so neither is in the figure.
func BenchmarkTracing(b *testing.B) {
	var spans atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		spans.Add(n)
	}))
	defer collector.Close()
	s := newBenchSite(b, "PLATCTL_LOG_LEVEL=info")
	off := s.start(b)
	defer off.stop(b)
	s.env = append(s.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1")
	on := s.start(b)
	defer on.stop(b)
	pair := [2]*user{newUser(b, off, "untraced"), newUser(b, on, "traced")}
	var used [2]time.Duration
	const per = 400
	n := 0
	for i := range pair {
		pair[i].requests(per)
	}
	for b.Loop() {
		for i := range pair {
			start := cpuOf(b, pair[i].of.cmd.Process.Pid)
			pair[i].requests(per)
			used[i] += cpuOf(b, pair[i].of.cmd.Process.Pid) - start
		}
		n += per
	}
	if spans.Load() == 0 {
		b.Fatal("no span reached the collector")
	}
	b.ReportMetric(float64(used[0].Microseconds())/float64(n), "µs-cpu/off")
	b.ReportMetric(float64(used[1].Microseconds())/float64(n), "µs-cpu/on")
	b.ReportMetric(float64(used[1])/float64(used[0]), "ratio")
}

// user is somebody who reads the feed and the market and posts, one request after the other.
type user struct {
	b  *testing.B
	of *replica
	c  *client.Client
}

func newUser(b *testing.B, r *replica, handle string) *user {
	b.Helper()
	return &user{b, r, signUp(b, r.url, handle, &http.Client{})}
}

func (u *user) requests(n int) {
	u.b.Helper()
	for i := range n {
		var err error
		switch i % 4 {
		case 0:
			_, err = u.c.CreatePost(u.b.Context(), &client.CreatePostRequest{Body: fmt.Sprintf("number %d", i)})
		case 1, 2:
			_, err = u.c.ListFeed(u.b.Context(), client.ListFeedParams{})
		case 3:
			_, err = u.c.ListProducts(u.b.Context(), client.ListProductsParams{})
		}
		if err != nil {
			u.b.Fatal(err)
		}
	}
}

// cpuOf is the CPU time that a process has used, in steps of the kernel's clock: 10 ms.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("CPU time is read from /proc: ", err)
	}
	_, rest, _ := strings.Cut(string(data), ") ") // behind the name, which may hold anything
	var ticks [2]int64
	fields := strings.Fields(rest)
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(fields[11+i], 10, 64); err != nil {
			b.Fatal(err)
		}
	}
	return time.Duration(ticks[0]+ticks[1]) * 10 * time.Millisecond
}

// Memory of a server after ten seconds of mixed load at a fixed rate, as the kernel counts it.
func BenchmarkLoadedMemory(b *testing.B) {
	r := newBenchSite(b, "PLATCTL_LOG_LEVEL=error").start(b)
	defer r.stop(b)
	p := &prober{b: b, who: signUp(b, r.url, "prober", &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}), rate: 200}
	for b.Loop() {
		p.run(10 * time.Second)
	}
	for field, unit := range map[string]string{"RssAnon": "MB-anonymous", "VmRSS": "MB-resident"} {
		b.ReportMetric(statusKB(b, r.cmd.Process.Pid, field)/1024, unit)
	}
}
