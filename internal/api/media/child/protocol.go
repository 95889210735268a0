// Package child decodes pictures in a process of its own. A decoder that hangs, eats memory or is taken over by what it decodes
// costs that process and nothing else: it has limits on memory, time and files, no network and no file system, and is gone
// after one picture.
//
// Invariants: the child sets its limits before it reads a byte of the picture; it holds the picture and the files for its results
// open and can open nothing else; it inherits no environment, so no secret; it is killed when its time is over, and dies with its
// parent. What it answers is checked like any input.
//
// Protocol, version 1: descriptor 0 is one Request in JSON; 1 is one Answer in JSON; 2 is text for our log; 3 is the picture; 4
// and following take one WebP each, in the order of Request.Sides.
package child

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/platctl/platctl/internal/api/media/picture"
)

// Command is the hidden command of platctl that runs Serve.
const Command = "media-worker"

const (
	version    = 1
	maxMessage = 64 << 10 // bytes of a request or an answer
	inputFD    = 3
	outputFD   = 4
)

// Limits is what one picture may cost.
type Limits struct {
	Memory int64         `json:"memory"` // bytes of data segment; resident memory is that and the program's text
	CPU    time.Duration `json:"cpu"`    // whole seconds
	Wall   time.Duration `json:"wall"`   // kept by the parent
	Output int64         `json:"output"` // bytes of one file
	Input  int64         `json:"input"`  // bytes
}

// DefaultLimits are those of docs/media.md: with them a child's resident memory stays below 512 MB.
func DefaultLimits() Limits {
	return Limits{Memory: 480 << 20, CPU: 20 * time.Second, Wall: 30 * time.Second, Output: 32 << 20, Input: 64 << 20}
}

// Request is what the child is asked.
type Request struct {
	Version  int    `json:"version"`
	Declared string `json:"declared"`
	Sides    []int  `json:"sides"`
	Limits   Limits `json:"limits"`
}

// Made is one picture in an Answer.
type Made struct {
	Width  int   `json:"width"`
	Height int   `json:"height"`
	Bytes  int64 `json:"bytes"`
}

// Answer is what comes of it: pictures, or a code.
type Answer struct {
	Version  int            `json:"version"`
	Code     picture.Code   `json:"code,omitempty"`
	Detail   string         `json:"detail,omitempty"`
	Format   picture.Format `json:"format,omitempty"`
	Width    int            `json:"width,omitempty"` // as stored, before it is turned
	Height   int            `json:"height,omitempty"`
	Made     []Made         `json:"made,omitempty"`
	Decode   time.Duration  `json:"decode,omitempty"`
	Scale    time.Duration  `json:"scale,omitempty"`
	Encode   time.Duration  `json:"encode,omitempty"`
	PeakRSS  int64          `json:"peak_rss,omitempty"` // bytes
	Confined []string       `json:"confined"`           // what holds: limits, seccomp
}

func readRequest(r io.Reader) (Request, error) {
	var q Request
	err := readMessage(r, &q)
	switch {
	case err != nil:
		return q, err
	case q.Version != version:
		return q, fmt.Errorf("request of version %d; this is %d", q.Version, version)
	case len(q.Sides) == 0 || len(q.Sides) > 8:
		return q, fmt.Errorf("%d sizes", len(q.Sides))
	}
	for _, s := range q.Sides {
		if s < 1 || s > 4096 {
			return q, fmt.Errorf("a size of %d pixels", s)
		}
	}
	return q, nil
}

// readAnswer trusts nothing: the child may be in the hands of whoever made the picture.
func readAnswer(r io.Reader, q Request) (Answer, error) {
	var a Answer
	if err := readMessage(r, &a); err != nil {
		return a, err
	}
	known := a.Code == ""
	for _, c := range []picture.Code{picture.UnsupportedType, picture.TypeMismatch, picture.TooManyPixels, picture.Corrupt, picture.DecodeTimeout} {
		known = known || a.Code == c
	}
	switch {
	case a.Version != version:
		return a, fmt.Errorf("answer of version %d; this is %d", a.Version, version)
	case !known:
		return a, fmt.Errorf("unknown code %.40q", a.Code)
	case a.Code == "" && len(a.Made) == 0, len(a.Made) > len(q.Sides):
		return a, fmt.Errorf("%d pictures for %d sizes", len(a.Made), len(q.Sides))
	}
	for i, m := range a.Made {
		if m.Width < 1 || m.Height < 1 || max(m.Width, m.Height) > q.Sides[0] || m.Bytes < 1 || m.Bytes > q.Limits.Output {
			return a, fmt.Errorf("picture %d has %d by %d pixels and %d bytes", i, m.Width, m.Height, m.Bytes)
		}
	}
	a.Detail = a.Detail[:min(len(a.Detail), 300)]
	return a, nil
}

func readMessage(r io.Reader, into any) error {
	data, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
	if err != nil {
		return err
	}
	if len(data) > maxMessage {
		return fmt.Errorf("a message of more than %d bytes", maxMessage)
	}
	return json.Unmarshal(data, into)
}
