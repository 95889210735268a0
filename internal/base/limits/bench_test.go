package limits

import (
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// The other side: golang.org/x/time/rate with the map that its users write around it. It forgets nobody, so it is measured
// on a bounded number of clients.
type timeRate struct {
	mu      sync.Mutex
	clients map[Key]*rate.Limiter
}

func (r *timeRate) take(k Key, now time.Time) bool {
	r.mu.Lock()
	l := r.clients[k]
	if l == nil {
		l = rate.NewLimiter(50, 100)
		r.clients[k] = l
	}
	r.mu.Unlock()
	return l.AllowN(now, 1)
}

func benchKeys(pattern string) func(i uint64) Key {
	return map[string]func(i uint64) Key{
		"one client":     func(uint64) Key { return AccountKey(1) },
		"10,000 clients": func(i uint64) Key { return AccountKey(int64(i * 0x9e3779b97f4a7c15 % 10_000)) },
		"hostile":        func(i uint64) Key { return Key{0x20010db800000000 + i, 0} }, // each request a new network
	}[pattern]
}

// A decision with the clock read, by one goroutine and by several, with clients that come back and with a flood of new ones;
// ours and golang.org/x/time/rate in one run. Figures: ../../../docs/ratelimit.md.
func BenchmarkTake(b *testing.B) {
	for _, pattern := range []string{"one client", "10,000 clients", "hostile"} {
		key := benchKeys(pattern)
		start := time.Now()
		m := NewMeter(Limit{Rate{50, time.Second}, 100}, 1<<15)
		ours := func(i uint64) { m.Take(key(i), 1, time.Since(start)) }
		b.Run(pattern+"/meter", func(b *testing.B) { alone(b, ours) })
		b.Run(pattern+"/meter parallel", func(b *testing.B) { together(b, ours) })
		r := &timeRate{clients: map[Key]*rate.Limiter{}}
		theirs := func(i uint64) { r.take(key(i%1_000_000), time.Now()) }
		b.Run(pattern+"/time-rate", func(b *testing.B) { alone(b, theirs) })
		b.Run(pattern+"/time-rate parallel", func(b *testing.B) { together(b, theirs) })
	}
}

func alone(b *testing.B, take func(i uint64)) {
	b.ReportAllocs()
	before := cpu(b)
	for i := uint64(0); b.Loop(); i++ {
		take(i)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

func together(b *testing.B, take func(i uint64)) {
	b.ReportAllocs()
	var lane atomic.Uint64
	before := cpu(b)
	b.RunParallel(func(pb *testing.PB) {
		for i := lane.Add(1) << 32; pb.Next(); i++ {
			take(i)
		}
	})
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpu is what this process has used: on a crowded machine it tells what the clock on the wall does not.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
