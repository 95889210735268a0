package perf

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/perf/baseline"
	"github.com/platctl/platctl/internal/perf/k6"
)

// BaselineResult is the data of `platctl perf baseline --json`.
type BaselineResult struct {
	File           string        `json:"file"`
	ID             string        `json:"id"`
	Name           string        `json:"name"`
	Target         string        `json:"target"`
	Valid          bool          `json:"valid"`
	InvalidBecause []string      `json:"invalid_because,omitempty"`
	Endpoints      []EndpointRow `json:"endpoints"`
}

// EndpointRow is one route in one scenario. A quantile is null when too few requests lie beyond it.
type EndpointRow struct {
	Scenario  string  `json:"scenario"`
	Endpoint  string  `json:"endpoint"`
	Requests  int64   `json:"requests"`
	RPS       float64 `json:"rps"` // successful requests per second
	P50       *int64  `json:"p50_us"`
	P95       *int64  `json:"p95_us"`
	P99       *int64  `json:"p99_us"`
	Max       int64   `json:"max_us"`
	ErrorRate float64 `json:"error_rate"` // 0 to 1
}

// store writes the baseline and prints it. An invalid one goes beside the baseline it was meant to be.
func store(o baselineOptions, file string, b *baseline.Baseline) error {
	if !b.Valid() {
		file = baseline.InvalidPath(file)
	}
	if err := b.Write(file); err != nil {
		return err
	}
	res := resultOf(b, file)
	var verdict error
	if !b.Valid() {
		verdict = fault.New(fault.Inconclusive, "the measurement is invalid: %s", strings.Join(res.InvalidBecause, "; ")).
			WithHint("try a lower --rate, or a machine that does nothing else; what was measured is in %s", file)
	}
	p := o.printer()
	return p.Answer(res, verdict, func(w io.Writer) error {
		if err := p.Table(w, []string{"SCENARIO", "ENDPOINT", "RPS", "P50", "P95", "P99", "ERRORS"}, cells(res)); err != nil {
			return err
		}
		o.streams.Say("stored in %s", file)
		return nil
	})
}

func resultOf(b *baseline.Baseline, file string) BaselineResult {
	res := BaselineResult{File: file, ID: b.ID, Name: b.Name, Target: b.Target.URL, Valid: b.Valid(), Endpoints: []EndpointRow{}}
	for _, run := range b.Runs {
		for _, why := range run.InvalidBecause {
			res.InvalidBecause = append(res.InvalidBecause, run.Scenario+": "+why)
		}
		for _, name := range slices.Sorted(maps.Keys(run.Endpoints)) {
			e := run.Endpoints[name]
			quantile := func(q string) *int64 {
				if v, ok := e.OK.Quantiles[q]; ok {
					return &v
				}
				return nil
			}
			res.Endpoints = append(res.Endpoints, EndpointRow{
				Scenario: run.Scenario, Endpoint: name, Requests: e.OK.N + e.Failed.N, RPS: e.OK.RPS,
				P50: quantile("p50"), P95: quantile("p95"), P99: quantile("p99"), Max: e.OK.MaxMicros, ErrorRate: e.ErrorRate,
			})
		}
	}
	return res
}

func cells(res BaselineResult) [][]string {
	rows := make([][]string, 0, len(res.Endpoints))
	for _, e := range res.Endpoints {
		rows = append(rows, []string{
			e.Scenario, e.Endpoint, fmt.Sprintf("%.1f", e.RPS), millis(e.P50), millis(e.P95), millis(e.P99),
			fmt.Sprintf("%.2f %%", 100*e.ErrorRate),
		})
	}
	return rows
}

func millis(us *int64) string {
	if us == nil {
		return "n too small"
	}
	return fmt.Sprintf("%.2f ms", float64(*us)/1000)
}

// progress shows on the conversation how far k6 is: one line that rewrites itself on a terminal, one line a scenario
// elsewhere.
type progress struct {
	streams  *term.Streams
	plan     string
	scenario string
	open     bool // a line without an end is on the terminal
}

func newProgress(s *term.Streams, warmup, duration time.Duration, rate int) *progress {
	return &progress{streams: s, plan: fmt.Sprintf("%s warm-up, then %s at %d requests per second", warmup, duration, rate)}
}

func (p *progress) update(scenario string, now k6.Progress) {
	if scenario != p.scenario {
		p.end()
		p.scenario = scenario
		p.streams.Say("%s: %s", scenario, p.plan)
	}
	if p.streams.ErrTTY {
		fmt.Fprintf(p.streams.Err, "\r%s: %d requests measured, %d failed", scenario, now.Requests, now.Failed)
		p.open = true
	}
}

func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.streams.Err)
		p.open = false
	}
}
