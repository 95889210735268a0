package baseline

import (
	"fmt"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/platctl/platctl/internal/perf/k6"
)

// The measured load must be the planned one.
const (
	maxGeneratorCPU = 80.0 // percent of its processors; above, k6 measures its own queue
	minCompleteness = 0.99 // of the planned requests
	beyond          = 10   // values that must lie beyond a quantile
)

// quantile is one that a file states; thousandths, because 100-99.9 is not 0.1 in floating point.
type quantile struct {
	name        string
	thousandths int64
}

func quantiles() []quantile {
	return []quantile{{"p50", 500}, {"p90", 900}, {"p95", 950}, {"p99", 990}, {"p99.9", 999}}
}

// NewRun turns k6's summary of a scenario into a run of the plan and judges it.
func NewRun(scenario string, round int, plan Plan, s *k6.Summary) (Run, error) {
	lag, err := k6.DecodeHistogram(s.Generator.LagHDR)
	if err != nil {
		return Run{}, err
	}
	r := Run{
		Scenario: scenario, Round: round, Started: s.Started, Stopped: s.Stopped, Bytes: s.Bytes,
		Generator: Generator{
			CPUs: s.Generator.CPUs, CPUPercent: s.Generator.CPUPercent, PeakPercent: s.Generator.PeakPercent,
			MaxRSS: s.Generator.MaxRSS, Iterations: s.Generator.Iterations, Dropped: s.Generator.Dropped,
			Lag: latency(lag), LagHDR: s.Generator.LagHDR,
		},
		Endpoints: make(map[string]Endpoint, len(s.Endpoints)),
	}
	for name, e := range s.Endpoints {
		h, err := k6.DecodeHistogram(e.OK.HDR)
		if err != nil {
			return Run{}, err
		}
		r.Endpoints[name] = Endpoint{
			OK:     Succeeded{N: e.OK.N, RPS: perSecond(e.OK.N, r.length(plan)), Latency: latency(h), HDR: e.OK.HDR},
			Failed: e.Failed, ErrorRate: share(e.Failed.N, e.OK.N+e.Failed.N),
			ByStatus: e.ByStatus, ByError: e.ByError,
		}
	}
	r.InvalidBecause = judge(plan, s)
	r.Valid = len(r.InvalidBecause) == 0
	return r, nil
}

// length is the time over which the run's requests count: the planned one, or longer when the last answers came late.
func (r Run) length(plan Plan) time.Duration {
	return max(time.Duration(plan.DurationMS)*time.Millisecond, r.Stopped.Sub(r.Started))
}

// judge returns why the run did not carry the planned load; nothing means it did.
func judge(plan Plan, s *k6.Summary) []string {
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	var ok, failed int64
	for _, e := range s.Endpoints {
		ok += e.OK.N
		failed += e.Failed.N
	}
	planned := int64(plan.Rate) * plan.DurationMS / 1000
	if !s.Complete {
		add("k6 ended early: %.200s", s.Error)
	}
	if s.Generator.Dropped > 0 {
		add("%d of %d requests could not start on schedule: the target or k6 is too slow for %d requests per second",
			s.Generator.Dropped, planned, plan.Rate)
	} else if got := ok + failed; float64(got) < minCompleteness*float64(planned)-1 {
		add("only %d of %d planned requests were made", got, planned)
	}
	if cpu := s.Generator.CPUPercent; cpu > maxGeneratorCPU {
		add("k6 used %.1f %% of its %d processors, more than %.0f %%: it measured itself", cpu, s.Generator.CPUs, maxGeneratorCPU)
	}
	if ok == 0 {
		add("no request succeeded")
	}
	return why
}

// Combine makes the aggregate of the valid runs: histograms are added, never quantiles.
func Combine(plan Plan, runs []Run) (Aggregate, error) {
	type sum struct {
		ok, failed int64
		time       time.Duration
		hist       *hdr.Histogram
	}
	sums := map[string]*sum{}
	a := Aggregate{Endpoints: map[string]Total{}}
	for _, r := range runs {
		if !r.Valid {
			continue
		}
		a.Runs++
		for name, e := range r.Endpoints {
			s := sums[name]
			if s == nil {
				s = &sum{hist: k6.NewHistogram()}
				sums[name] = s
			}
			h, err := k6.DecodeHistogram(e.OK.HDR)
			if err != nil {
				return Aggregate{}, err
			}
			s.hist.Merge(h)
			s.ok, s.failed, s.time = s.ok+e.OK.N, s.failed+e.Failed.N, s.time+r.length(plan)
		}
	}
	for name, s := range sums {
		a.Endpoints[name] = Total{
			OK: s.ok, Failed: s.failed, ErrorRate: share(s.failed, s.ok+s.failed), RPS: perSecond(s.ok, s.time),
			Latency: latency(s.hist),
		}
	}
	return a, nil
}

// latency reads the quantiles that the histogram can carry.
func latency(h *hdr.Histogram) Latency {
	l := Latency{Quantiles: map[string]int64{}, MaxMicros: h.Max()}
	for _, q := range quantiles() {
		if h.TotalCount()*(1000-q.thousandths) >= beyond*1000 {
			l.Quantiles[q.name] = h.ValueAtQuantile(float64(q.thousandths) / 10)
		}
	}
	return l
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return round(float64(part)/float64(whole), 1e6)
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return round(float64(n)/d.Seconds(), 1e3)
}

// round keeps a file free of digits that mean nothing.
func round(v, scale float64) float64 { return math.Round(v*scale) / scale }
