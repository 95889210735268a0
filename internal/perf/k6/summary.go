package k6

import (
	"fmt"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

// SummarySchema is the document that our k6 writes. The extension has its own copy of the types below: k6 is AGPL, so the
// two modules share a format and a golden file, never code.
func SummarySchema() format.Schema { return format.Schema{Name: "platctl.k6summary", Version: 1} }

// Summary is one k6 run: what was observed between the first and the last measured request.
type Summary struct {
	Schema    string              `json:"schema"`
	Extension string              `json:"extension"`
	K6        string              `json:"k6"`
	Complete  bool                `json:"complete"`
	Error     string              `json:"error,omitempty"`
	Started   time.Time           `json:"started"`
	Stopped   time.Time           `json:"stopped"`
	Generator Generator           `json:"generator"`
	Bytes     Bytes               `json:"bytes"`
	Endpoints map[string]Endpoint `json:"endpoints"` // by name, the route pattern
}

// Generator says how k6 itself did.
type Generator struct {
	CPUs        int     `json:"cpus"`             // processors k6 may use at once
	CPUPercent  float64 `json:"cpu_percent"`      // of all of them, while measuring
	PeakPercent float64 `json:"cpu_peak_percent"` // the busiest second
	MaxRSS      int64   `json:"max_rss_bytes"`
	Iterations  int64   `json:"iterations"`
	Dropped     int64   `json:"dropped_iterations"`
	LagHDR      string  `json:"lag_hdr,omitempty"` // start lag behind the schedule, µs
}

// Bytes is the traffic on the wire.
type Bytes struct {
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
}

// Endpoint is what happened under one name.
type Endpoint struct {
	OK       Outcome          `json:"ok"`
	Failed   Outcome          `json:"failed"`
	ByStatus map[string]int64 `json:"by_status"`          // HTTP status; "0" is no answer
	ByError  map[string]int64 `json:"by_error,omitempty"` // k6's error codes
}

// Outcome is the requests that went one way.
type Outcome struct {
	N   int64  `json:"n"`
	HDR string `json:"hdr,omitempty"` // see DecodeHistogram
}

// ParseSummary reads a summary and checks it: every histogram decodes and holds as many values as its n says.
func ParseSummary(data []byte) (*Summary, error) {
	var s Summary
	if err := SummarySchema().Decode(data, &s); err != nil {
		return nil, err
	}
	if s.Stopped.Before(s.Started) {
		return nil, fault.New(fault.Invalid, "k6 summary: it stopped before it started")
	}
	if s.Generator.Dropped < 0 || s.Generator.Iterations < 0 || s.Bytes.Sent < 0 || s.Bytes.Received < 0 {
		return nil, fault.New(fault.Invalid, "k6 summary: a count is negative")
	}
	if _, err := DecodeHistogram(s.Generator.LagHDR); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "k6 summary: lag_hdr")
	}
	for name, e := range s.Endpoints {
		if err := e.Check(); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "k6 summary: endpoint %.80q", name)
		}
	}
	return &s, nil
}

// Check returns an error when the endpoint's numbers don't agree with each other.
func (e Endpoint) Check() error {
	for _, o := range []Outcome{e.OK, e.Failed} {
		h, err := DecodeHistogram(o.HDR)
		if err != nil {
			return err
		}
		if h.TotalCount() != o.N {
			return fmt.Errorf("n is %d and its histogram holds %d", o.N, h.TotalCount())
		}
	}
	var byStatus int64
	for status, n := range e.ByStatus {
		if n < 0 {
			return fmt.Errorf("status %.10q: a count is negative", status)
		}
		byStatus += n
	}
	if total := e.OK.N + e.Failed.N; byStatus != total {
		return fmt.Errorf("the counts by status add up to %d, not to %d", byStatus, total)
	}
	return nil
}
