package breaker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/base/fault"
)

var errDown = errors.New("connection refused")

func fails(context.Context) error { return errDown }
func works(context.Context) error { return nil }

func refused(err error) bool {
	var e *fault.Error
	return errors.As(err, &e) && e.Kind == fault.Unavailable && e.Code == "circuit_open"
}

// A service fails, is left alone, is tried once too early by a call that fails, and then works again.
func TestLifeOfABreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := New("mail", After(3), Pause(time.Minute), Log(slog.New(slog.NewTextHandler(&log, nil))))
		for i := range 3 {
			if err := b.Check(); err != nil || b.State() != Closed {
				t.Fatalf("after %d failures: %v, %v", i, b.State(), err)
			}
			if err := b.Do(t.Context(), fails); !errors.Is(err, errDown) {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		mustNotRun := func(context.Context) error { t.Error("a refused call was made"); return nil }
		if err := b.Do(t.Context(), mustNotRun); !refused(err) || b.State() != Open || !refused(b.Check()) {
			t.Errorf("open: %v, %v, %v", err, b.State(), b.Check())
		}
		if strings.Contains(b.Check().Error(), errDown.Error()) {
			t.Errorf("the check tells the cause: %v", b.Check())
		}
		time.Sleep(61 * time.Second)
		if err := b.Do(t.Context(), fails); !errors.Is(err, errDown) || b.State() != Open {
			t.Errorf("the try: %v, %v", err, b.State())
		}
		time.Sleep(61 * time.Second)
		if err := b.Do(t.Context(), works); err != nil || b.State() != Closed || b.Check() != nil {
			t.Errorf("works again: %v, %v, %v", err, b.State(), b.Check())
		}
		want := map[string]float64{"circuit_breaker_state": 0, "circuit_breaker_trips_total": 2, "circuit_breaker_rejections_total": 1}
		if got := gather(t, b); got["circuit_breaker_state"] != want["circuit_breaker_state"] ||
			got["circuit_breaker_trips_total"] != want["circuit_breaker_trips_total"] ||
			got["circuit_breaker_rejections_total"] != want["circuit_breaker_rejections_total"] {
			t.Errorf("metrics %v, want %v", got, want)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), `error="connection refused"`) {
			t.Errorf("log, one line for the failure and one for its end: %s", log.String())
		}
	})
}

func gather(t *testing.T, b *Breaker) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(b.Metrics()...)
	r.MustRegister(New("another").Metrics()...) // two services share the names
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			if m.Label[0].GetValue() == b.Name() {
				out[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return out
}

// What says nothing about the service does not open its breaker, however often it happens, and a deadline does.
func TestWhatCounts(t *testing.T) {
	t.Parallel()
	noSuchBox := errors.New("550 no such mailbox")
	for name, c := range map[string]struct {
		err    error
		counts bool
	}{
		"cancelled":          {fault.Op("send", context.Canceled), false},
		"deadline":           {context.DeadlineExceeded, true},
		"wrong request":      {fault.New(fault.Invalid, "no such bucket name"), false},
		"not found":          {fault.Op("get", fault.New(fault.NotFound, "no such object")), false},
		"asked to slow down": {fault.New(fault.RateLimited, "slow down"), true},
		"unavailable":        {fault.New(fault.Unavailable, "away"), true},
		"anything":           {errDown, true},
		"excluded by option": {noSuchBox, false},
	} {
		b := New("x", After(2), Excluding(func(err error) bool { return errors.Is(err, noSuchBox) }))
		for range 4 {
			_ = b.Do(t.Context(), func(context.Context) error { return c.err })
		}
		if got := b.State() == Open; got != c.counts {
			t.Errorf("%s: counts %v, want %v", name, got, c.counts)
		}
	}
}

// A success in between starts the count anew: only failures in a row open a breaker.
func TestFailuresInARow(t *testing.T) {
	t.Parallel()
	b := New("x", After(2))
	for range 5 {
		_ = b.Do(t.Context(), fails)
		_ = b.Do(t.Context(), works)
	}
	if b.State() != Closed {
		t.Errorf("state %v", b.State())
	}
}

// Of many callers that come when the pause is over, one finds out; the others are refused and wait for nothing.
func TestOneTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New("x", After(1), Pause(time.Second))
		_ = b.Do(t.Context(), fails)
		time.Sleep(2 * time.Second)
		release := make(chan struct{})
		errs := make(chan error, 10)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { errs <- b.Do(t.Context(), func(context.Context) error { <-release; return nil }) })
		}
		synctest.Wait()
		if len(errs) != 9 || b.State() != HalfOpen {
			t.Errorf("%d of 10 were refused, state %v", len(errs), b.State())
		}
		close(release)
		wg.Wait()
		if b.State() != Closed {
			t.Errorf("state %v", b.State())
		}
	})
}

// Who has left before the call neither makes it nor counts, and a panic counts as a failure and goes on.
func TestLeftAndPanic(t *testing.T) {
	t.Parallel()
	b := New("x", After(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Do(ctx, func(context.Context) error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) || b.State() != Closed {
		t.Errorf("%v, %v", err, b.State())
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = b.Do(t.Context(), func(context.Context) error { panic("bug") })
	}()
	if b.State() != Open {
		t.Errorf("after a panic: %v", b.State())
	}
}
