// Package breaker keeps a service that fails from being called: after some failures in a row its calls are refused at once,
// and one is let through from time to time to see whether it works again. It stands around every call that leaves for another
// service (mail, storage, a collector of traces), and never around PostgreSQL: without that there is no answer to give, and
// package admission bounds who waits for it.
//
// Invariants: a refused call is not made; at most one call is under way while a failing service is tried; what says nothing
// about the service (the caller left, or the caller's own request was wrong) neither opens nor closes a breaker.
package breaker

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/platctl/platctl/internal/base/fault"
)

// State is what a breaker does with the next call.
type State int

// The states, with the values that the metric shows.
const (
	Closed   State = iota // makes it
	HalfOpen              // makes one, and refuses others until that one has ended
	Open                  // refuses it
)

// String returns the state as logs name it.
func (s State) String() string { return [...]string{"closed", "half-open", "open"}[s] }

// The defaults of a breaker.
const (
	defaultFailures = 5
	defaultPause    = 10 * time.Second
)

// Breaker stands around the calls of one service. Make one with New; it is safe for concurrent use.
type Breaker struct {
	name     string
	pause    time.Duration
	log      *slog.Logger
	excluded func(error) bool
	circuit  *gobreaker.CircuitBreaker[struct{}]

	trips, rejections atomic.Uint64
	last              atomic.Pointer[error] // of the calls that were made
}

type settings struct {
	failures uint32
	pause    time.Duration
	log      *slog.Logger
	excluded func(error) bool
}

// Option changes a default of New.
type Option func(*settings)

// After opens the breaker after n failures in a row; 5 without it.
func After(n int) Option { return func(s *settings) { s.failures = uint32(max(n, 1)) } }

// Pause is how long an open breaker waits before it lets a call through; 10 s without it.
func Pause(d time.Duration) Option { return func(s *settings) { s.pause = d } }

// Log tells of every opening, with the error that caused it, and of every closing.
func Log(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

// Excluding names errors that say nothing about the service, beside those that every breaker excludes: a cancelled context and
// faults of the kinds that HTTP would call 4xx, but too many requests. Mail, for instance, excludes a recipient who does not exist.
func Excluding(f func(error) bool) Option { return func(s *settings) { s.excluded = f } }

// New returns a closed breaker; name is the service in metrics, logs and readiness.
func New(name string, opts ...Option) *Breaker {
	s := settings{failures: defaultFailures, pause: defaultPause, log: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(&s)
	}
	b := &Breaker{name: name, pause: s.pause, log: s.log, excluded: s.excluded}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: name, MaxRequests: 1, Timeout: s.pause,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= s.failures },
		IsExcluded:    b.saysNothing,
		OnStateChange: b.changed,
	})
	return b
}

// Name returns the service's name.
func (b *Breaker) Name() string { return b.name }

// State returns the present state.
func (b *Breaker) State() State {
	switch b.circuit.State() {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	}
	return Closed
}

// Check returns nil while calls are made, and otherwise an error that may be shown to anybody: it names no address and no cause.
func (b *Breaker) Check() error {
	if b.State() == Closed {
		return nil
	}
	return b.refusal()
}

// Do makes the call fn, or refuses with an error of kind Unavailable and code circuit_open. fn has to end when ctx ends: while a
// failing service is tried, nobody else is let through.
func (b *Breaker) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := b.circuit.Execute(func() (struct{}, error) {
		err := fn(ctx)
		b.last.Store(&err)
		return struct{}{}, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		b.rejections.Add(1)
		return b.refusal()
	}
	return err
}

func (b *Breaker) refusal() error {
	return fault.New(fault.Unavailable, "%s is failing and is not called; it is tried again every %s", b.name, b.pause).WithCode("circuit_open")
}

func (b *Breaker) saysNothing(err error) bool {
	if errors.Is(err, context.Canceled) || err != nil && b.excluded != nil && b.excluded(err) {
		return true
	}
	var e *fault.Error
	if !errors.As(err, &e) {
		return false
	}
	status := fault.Lookup(e.Kind).Status
	return status < http.StatusInternalServerError && status != http.StatusTooManyRequests
}

// changed is called under the circuit's lock, so it must not ask for the state.
func (b *Breaker) changed(_ string, from, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		b.trips.Add(1)
		if from == gobreaker.StateClosed {
			b.log.Warn("outside service is failing", "service", b.name, "pause", b.pause, "error", b.lastError())
		}
	case gobreaker.StateClosed:
		b.log.Info("outside service works again", "service", b.name)
	}
}

func (b *Breaker) lastError() error {
	if p := b.last.Load(); p != nil {
		return *p
	}
	return nil // it panicked before any call ended
}
