// Package output prints results: a table for people, a versioned JSON envelope for machines.
//
// Invariants: one result per command on stdout; with --json a failure is an envelope as well. Off a terminal tables are
// tab-separated and times RFC 3339, so scripts read stable text.
package output

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/platctl/platctl/internal/base/fault"
)

// Envelope is what --json prints, on success and on failure.
type Envelope struct {
	Schema string `json:"schema"` // platctl.<noun>.<verb>/v1
	OK     bool   `json:"ok"`
	Data   any    `json:"data,omitempty"`
	Error  *Error `json:"error,omitempty"`
}

// Error is the failure part of an Envelope.
type Error struct {
	Kind    string        `json:"kind"`
	Code    string        `json:"code,omitempty"`
	Message string        `json:"message"`
	Hint    string        `json:"hint,omitempty"`
	Fields  []fault.Field `json:"fields,omitempty"`
	Exit    int           `json:"exit"`
}

// Printer writes results for one command.
type Printer struct {
	Out    io.Writer
	JSON   bool
	TTY    bool
	Schema string
}

// Result prints data as an envelope, or calls text where JSON was not asked for.
func (p *Printer) Result(data any, text func(w io.Writer) error) error {
	if p.JSON {
		return p.encode(Envelope{Schema: p.Schema, OK: true, Data: data})
	}
	return text(p.Out)
}

// Answer prints data like Result and returns err: for checks whose answer is no (exit 3) but whose report is still the
// result. With JSON the envelope carries both.
func (p *Printer) Answer(data any, err error, text func(w io.Writer) error) error {
	if err == nil {
		return p.Result(data, text)
	}
	if p.JSON {
		if werr := p.encode(Envelope{Schema: p.Schema, Data: data, Error: errorOf(err)}); werr != nil {
			return werr
		}
		return &Printed{Err: err}
	}
	if werr := text(p.Out); werr != nil {
		return werr
	}
	return err
}

// Failure prints err: an envelope on stdout with JSON, else a message, what is wrong with each input where the message doesn't
// say it, and a hint on the conversation.
func (p *Printer) Failure(err error, conversation io.Writer) {
	if p.JSON {
		_ = p.encode(Envelope{Schema: p.Schema, Error: errorOf(err)})
		return
	}
	e := fault.From(err)
	fmt.Fprintf(conversation, "platctl: %s\n", err.Error())
	for _, f := range e.Fields {
		if !strings.Contains(err.Error(), f.Message) {
			fmt.Fprintf(conversation, "  %s: %s\n", f.Field, f.Message)
		}
	}
	if e.Hint != "" {
		fmt.Fprintf(conversation, "  next: %s\n", e.Hint)
	}
}

func (p *Printer) encode(v Envelope) error {
	enc := json.NewEncoder(p.Out)
	enc.SetEscapeHTML(false)
	if p.TTY {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(v)
}

func errorOf(err error) *Error {
	e := fault.From(err)
	return &Error{
		Kind: string(e.Kind), Code: e.Code, Message: err.Error(), Hint: e.Hint, Fields: e.Fields,
		Exit: fault.Lookup(e.Kind).Exit,
	}
}

// Printed marks a failure whose envelope is already on stdout; it still decides the exit code.
type Printed struct{ Err error }

// Error implements error.
func (p *Printed) Error() string { return p.Err.Error() }

// Unwrap returns the failure.
func (p *Printed) Unwrap() error { return p.Err }

// Table prints rows under a head: aligned on a terminal, tab-separated elsewhere.
func (p *Printer) Table(w io.Writer, head []string, rows [][]string) error {
	if !p.TTY {
		for _, r := range append([][]string{head}, rows...) {
			if _, err := fmt.Fprintln(w, strings.Join(r, "\t")); err != nil {
				return err
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, r := range append([][]string{head}, rows...) {
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	return tw.Flush()
}
