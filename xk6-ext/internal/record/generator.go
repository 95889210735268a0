package record

import (
	"runtime"
	"time"

	"github.com/platctl/platctl/xk6-ext/internal/summary"
)

// usage is what the process has used since it started.
type usage struct {
	cpu    time.Duration
	maxRSS int64 // bytes
}

// generator follows k6's own load while requests are measured. Readings without new requests (setup, warm-up, the wait
// for the last answers) don't count: they would dilute the load.
type generator struct {
	last     reading
	seen     int64
	busy     time.Duration // CPU time
	measured time.Duration // wall time
	peak     float64
	maxRSS   int64
}

type reading struct {
	at  time.Time
	cpu time.Duration
}

// observe takes one reading; requests is the number measured so far.
func (g *generator) observe(now time.Time, requests int64, u usage) {
	prev := g.last
	g.last = reading{at: now, cpu: u.cpu}
	g.maxRSS = u.maxRSS
	wall := now.Sub(prev.at)
	if prev.at.IsZero() || requests == g.seen || wall <= 0 {
		return
	}
	g.seen = requests
	g.busy += u.cpu - prev.cpu
	g.measured += wall
	// A reading much shorter than a second is noise of the scheduler, not a peak.
	if share := percent(u.cpu-prev.cpu, wall); share > g.peak && wall > time.Second/2 {
		g.peak = share
	}
}

// fill writes the result into the document.
func (g *generator) fill(d *summary.Generator) {
	d.CPUs = runtime.GOMAXPROCS(0)
	d.MaxRSS = g.maxRSS
	if g.measured > 0 {
		d.CPUPercent = percent(g.busy, g.measured)
		d.PeakPercent = max(g.peak, d.CPUPercent)
	}
}

// percent returns the share of all processors, with one decimal.
func percent(cpu, wall time.Duration) float64 {
	share := float64(cpu) / float64(wall) / float64(runtime.GOMAXPROCS(0))
	return float64(int(share*1000+0.5)) / 10
}
