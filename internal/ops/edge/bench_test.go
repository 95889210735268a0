package edge

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkHop measures what the edge adds: requests alternate between the release itself and the edge before it, so
// both sides meet the same machine. Sequential, on kept connections, body of 1 KiB.
func BenchmarkHop(b *testing.B) {
	r := startRig(b, shortDir(b))
	body := bytes.Repeat([]byte("x"), 1024)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	one, _ := release(b, r.dir, "1", h)
	r.route(b, "", one, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	direct := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go direct.Serve(ln)
	b.Cleanup(func() { direct.Close() })
	urls := [2]string{"http://" + ln.Addr().String(), r.url}
	var took [2][]time.Duration
	ask := func(side int) {
		start := time.Now()
		resp, err := http.Get(urls[side])
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		took[side] = append(took[side], time.Since(start))
	}
	for range 200 {
		ask(0)
		ask(1)
	}
	took = [2][]time.Duration{}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		ask(i % 2)
		ask((i + 1) % 2)
	}
	for side := range took {
		slices.Sort(took[side])
	}
	at := func(side int, q float64) float64 {
		return float64(took[side][int(q*float64(len(took[side])-1))]) / float64(time.Microsecond)
	}
	b.ReportMetric(at(0, .5), "direct-p50-µs")
	b.ReportMetric(at(1, .5), "edge-p50-µs")
	b.ReportMetric(at(1, .5)-at(0, .5), "added-p50-µs")
	b.ReportMetric(at(1, .99)-at(0, .99), "added-p99-µs")
}

// BenchmarkSwap measures a whole change through Apply, with the routes stored, and how long routing is locked in it.
func BenchmarkSwap(b *testing.B) {
	r := startRig(b, shortDir(b))
	one, _ := release(b, r.dir, "1", says("one"))
	two, _ := release(b, r.dir, "2", says("two"))
	r.route(b, "", one, 1)
	pair := [2]Target{one, two}
	var locked []int64
	for i := 0; b.Loop(); i++ {
		done, err := r.edge.Apply(Change{App: "market", Expect: pair[i%2].Release, Active: pair[(i+1)%2], Token: 1, Durable: true})
		if err != nil {
			b.Fatal(err)
		}
		locked = append(locked, done.SwapNS)
	}
	slices.Sort(locked)
	b.ReportMetric(float64(locked[len(locked)/2]), "locked-p50-ns")
	b.ReportMetric(float64(locked[len(locked)*99/100]), "locked-p99-ns")
}
