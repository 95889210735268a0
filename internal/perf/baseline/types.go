// Package baseline measures an API with k6 and keeps the result as a file, so that a later measurement has something to
// be compared with.
//
// Invariants: the file carries the histograms, not only quantiles, because quantiles of several runs can't be combined.
// Quantiles come from successful requests alone, and one is stated only when at least ten requests lie beyond it. A run
// in which the load was not the planned one is invalid and says why; it never takes the place of a valid baseline. The id
// is the digest of the content, so an edited file is not read. The file names what was measured, with what, on which
// machine; later versions add to it and take nothing away.
package baseline

import (
	"time"

	"github.com/platctl/platctl/internal/base/format"
	"github.com/platctl/platctl/internal/perf/k6"
)

// Schema is the format of a baseline file.
func Schema() format.Schema { return format.Schema{Name: "platctl.perf", Version: 1} }

// Baseline is the file, schema platctl.perf/v1.
type Baseline struct {
	Schema    string    `json:"schema"`
	ID        string    `json:"id"` // sha256 of the content without this field, see Seal
	Name      string    `json:"name"`
	Created   time.Time `json:"created"`
	Target    Target    `json:"target"`
	Tool      Tool      `json:"tool"`
	Env       Env       `json:"env"`
	Plan      Plan      `json:"plan"`
	Runs      []Run     `json:"runs"`
	Aggregate Aggregate `json:"aggregate"`
}

// Target is what was measured.
type Target struct {
	URL string `json:"url"`
}

// Tool is what measured.
type Tool struct {
	Platctl   string `json:"platctl"` // version
	Commit    string `json:"commit,omitempty"`
	K6        string `json:"k6"`
	Extension string `json:"extension"`
}

// Env is the machine that k6 ran on. Empty and zero mean unknown.
type Env struct {
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Kernel      string `json:"kernel,omitempty"`
	CPUModel    string `json:"cpu_model,omitempty"`
	CPUs        int    `json:"cpus"`
	CgroupCPU   string `json:"cgroup_cpu,omitempty"` // cpu.max: quota and period in µs
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	Host        string `json:"host,omitempty"` // digest of the machine id: the same machine, without its name
}

// Plan is the load that was asked for.
type Plan struct {
	Arrival    string     `json:"arrival"` // constant: an open model, one request every 1/rate seconds
	Rate       int        `json:"rate"`    // requests per second
	DurationMS int64      `json:"duration_ms"`
	WarmupMS   int64      `json:"warmup_ms"`
	Users      int        `json:"users"`
	Seed       int64      `json:"seed"`
	Rounds     int        `json:"rounds"`
	Scenarios  []Scenario `json:"scenarios"` // in the order in which they ran
}

// Scenario is one script.
type Scenario struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Run is one execution of one scenario.
type Run struct {
	Scenario       string              `json:"scenario"`
	Round          int                 `json:"round"` // from 1
	Started        time.Time           `json:"started"`
	Stopped        time.Time           `json:"stopped"`
	Valid          bool                `json:"valid"`
	InvalidBecause []string            `json:"invalid_because,omitempty"`
	Generator      Generator           `json:"generator"`
	Bytes          k6.Bytes            `json:"bytes"`
	Endpoints      map[string]Endpoint `json:"endpoints"` // by route, such as "GET /api/v1/feed"
}

// Generator says how k6 did.
type Generator struct {
	CPUs        int     `json:"cpus"`
	CPUPercent  float64 `json:"cpu_percent"`
	PeakPercent float64 `json:"cpu_peak_percent"`
	MaxRSS      int64   `json:"max_rss_bytes"`
	Iterations  int64   `json:"iterations"`
	Dropped     int64   `json:"dropped_iterations"`
	Lag         Latency `json:"lag"` // how late requests started behind the schedule
	LagHDR      string  `json:"lag_hdr,omitempty"`
}

// Endpoint is what happened on one route in one run. Its ok and failed have the shape of k6.Endpoint, so the extension's
// reader reads both.
type Endpoint struct {
	OK        Succeeded        `json:"ok"`
	Failed    k6.Outcome       `json:"failed"`
	ErrorRate float64          `json:"error_rate"` // failed / all, 0 to 1
	ByStatus  map[string]int64 `json:"by_status"`
	ByError   map[string]int64 `json:"by_error,omitempty"`
}

// Succeeded is the successful requests.
type Succeeded struct {
	N   int64   `json:"n"`
	RPS float64 `json:"rps"` // per second of the measurement
	Latency
	HDR string `json:"hdr,omitempty"` // base64 of HdrHistogram's compressed V2 encoding, µs
}

// Latency is what a histogram says, in microseconds. A quantile is missing when fewer than ten values lie beyond it.
type Latency struct {
	Quantiles map[string]int64 `json:"quantiles_us"`
	MaxMicros int64            `json:"max_us"`
}

// Aggregate is all valid runs together.
type Aggregate struct {
	Runs      int              `json:"runs"`
	Endpoints map[string]Total `json:"endpoints"`
}

// Total is one route over all valid runs; its histogram is the sum of theirs.
type Total struct {
	OK        int64   `json:"ok"`
	Failed    int64   `json:"failed"`
	ErrorRate float64 `json:"error_rate"`
	RPS       float64 `json:"rps"`
	Latency
}

// Valid says whether every run carried the planned load.
func (b *Baseline) Valid() bool {
	for _, r := range b.Runs {
		if !r.Valid {
			return false
		}
	}
	return len(b.Runs) > 0
}
