// Package summary is the document that the output writes and platctl reads: platctl.k6summary/v1.
//
// Invariants: it holds only what was observed between the first and the last request tagged phase=measure; derived
// numbers (rates, quantiles) are the reader's business, because histograms can be merged and quantiles can't. Failed
// requests have a histogram of their own: k6 records a refused connection with a duration of 0, so mixing them would
// make a broken server look fast. platctl has its own copy of these types (the licence of k6 keeps the modules
// apart); testdata/k6summary-v1.json is the document both are tested with.
package summary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Schema names the version of the document that this extension writes.
const Schema = "platctl.k6summary/v1"

// Version is the version of the extension.
const Version = "0.1.0"

// Document is one k6 run.
type Document struct {
	Schema    string               `json:"schema"`
	Extension string               `json:"extension"`       // version of this extension
	K6        string               `json:"k6"`              // version of k6
	Complete  bool                 `json:"complete"`        // false: the run was interrupted or failed; Error says why
	Error     string               `json:"error,omitempty"` //
	Started   time.Time            `json:"started"`         // start of the first measured request
	Stopped   time.Time            `json:"stopped"`         // end of the last one
	Generator Generator            `json:"generator"`
	Bytes     Bytes                `json:"bytes"`
	Endpoints map[string]*Endpoint `json:"endpoints"` // by the tag "name"
}

// Generator says how k6 itself did: a generator that can't keep up measures itself.
type Generator struct {
	CPUs        int     `json:"cpus"`             // processors k6 may use at once
	CPUPercent  float64 `json:"cpu_percent"`      // of all of them, while measuring
	PeakPercent float64 `json:"cpu_peak_percent"` // the busiest second
	MaxRSS      int64   `json:"max_rss_bytes"`
	Iterations  int64   `json:"iterations"`
	Dropped     int64   `json:"dropped_iterations"` // could not start on schedule because no virtual user was free
	LagHDR      string  `json:"lag_hdr,omitempty"`  // start lag behind the schedule, µs; exact while nothing was dropped
}

// Bytes is the traffic on the wire as k6 counts it.
type Bytes struct {
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
}

// Endpoint is what happened under one name.
type Endpoint struct {
	OK       Outcome          `json:"ok"`
	Failed   Outcome          `json:"failed"`
	ByStatus map[string]int64 `json:"by_status"`          // HTTP status; "0" is no answer
	ByError  map[string]int64 `json:"by_error,omitempty"` // k6's error codes, such as 1212 for a refused connection
}

// Outcome is the requests that went one way.
type Outcome struct {
	N   int64  `json:"n"`
	HDR string `json:"hdr,omitempty"` // base64 of the compressed V2 encoding; µs, 1 µs to 60 s, three digits
}

// The histograms of every document have this shape. 139,332 bytes of memory each.
const (
	LowestMicros  = 1
	HighestMicros = 60_000_000
	Digits        = 3
)

// NewHistogram returns an empty histogram of the one shape.
func NewHistogram() *hdr.Histogram { return hdr.New(LowestMicros, HighestMicros, Digits) }

// EncodeHistogram returns the text form of h; an empty or missing histogram is "".
func EncodeHistogram(h *hdr.Histogram) (string, error) {
	if h == nil || h.TotalCount() == 0 {
		return "", nil
	}
	b, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	return string(b), nil
}

// Write puts the document into path: whole or not at all.
func (d *Document) Write(path string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // after the rename there is nothing left to remove
	_, err = tmp.Write(buf.Bytes())
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
