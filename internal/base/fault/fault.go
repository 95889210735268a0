// Package fault is the vocabulary of failure: every error that reaches a person or a client has a kind, a message that
// says what happened and a hint that says what to do next.
//
// Invariants: one table (Table) maps a kind to its HTTP status and its exit code; nothing else in the tree decides
// either. Context is added once, at the exported boundary of a package, with Op. A message never contains a driver
// error; the cause is kept for logs and reached with errors.Unwrap.
package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is a failure with a kind. The zero value is not useful; make one with New or Wrap.
type Error struct {
	Kind    Kind
	Code    string // stable machine word, for example "handle_taken"; empty means the kind's own name
	Message string // what happened, for a person
	Hint    string // what to do next; may be empty
	Op      string // the operation, added once at the exported boundary
	Fields  []Field
	Err     error // the cause, for logs only
}

// Field names one invalid input, for problem+json "errors" and for the command line.
type Field struct {
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// New makes an error of a kind with a formatted message.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Wrap keeps err as the cause of an error of kind k. It returns nil for a nil err.
func Wrap(err error, k Kind, format string, args ...any) *Error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...), Err: err}
}

// WithHint returns e with the next step set.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithCode returns e with its machine word set.
func (e *Error) WithCode(code string) *Error {
	e.Code = code
	return e
}

// WithFields returns e with the invalid inputs named.
func (e *Error) WithFields(f ...Field) *Error {
	e.Fields = append(e.Fields, f...)
	return e
}

// Error implements error. It includes the cause, so it is for logs and the command line, never for an HTTP answer.
func (e *Error) Error() string {
	parts := []string{e.Op, e.Message}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, fault.Busy) true for every error of that kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && e.Kind == k
}

// Op names the operation that failed, once: an error that already has a name keeps it.
func Op(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if e.Op == "" {
			c := *e
			c.Op = op
			return &c
		}
		return err
	}
	return &Error{Kind: KindOf(err), Op: op, Err: err}
}

// KindOf returns the kind of err: its own, Canceled for a cancelled context, Internal for anything else.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	if errors.Is(err, context.Canceled) {
		return Canceled
	}
	return Internal
}

// From returns err as an *Error, making one of the right kind where it is not.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindOf(err), Message: err.Error()}
}
