package admission_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/admission"
	"github.com/platctl/platctl/internal/base/fault"
)

const patience = 30 * time.Second

// waitFor returns when the limiter has n waiters.
func waitFor(t *testing.T, l *admission.Limiter, n int) {
	t.Helper()
	for end := time.Now().Add(patience); l.Stats().Waiting != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v, want %d waiting", l.Stats(), n)
		}
	}
}

type result struct {
	name    string
	release func()
	err     error
}

// join acquires in the background and returns when it waits.
func join(t *testing.T, l *admission.Limiter, name string, c admission.Class, out chan<- result) {
	t.Helper()
	n := l.Stats().Waiting + 1
	go func() {
		r, err := l.Acquire(context.Background(), c)
		out <- result{name, r, err}
	}()
	waitFor(t, l, n)
}

func TestImportantFirstOldestFirst(t *testing.T) {
	t.Parallel()
	l := admission.New(1, 10, patience)
	release, err := l.Acquire(t.Context(), admission.Bulk)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan result, 4)
	join(t, l, "bulk", admission.Bulk, out)
	join(t, l, "normal 1", admission.Normal, out)
	join(t, l, "normal 2", admission.Normal, out)
	join(t, l, "critical", admission.Critical, out)
	for _, want := range []string{"critical", "normal 1", "normal 2", "bulk"} {
		release()
		got := <-out
		if got.err != nil || got.name != want {
			t.Fatalf("%s came next (%v), want %s", got.name, got.err, want)
		}
		release = got.release
	}
	release()
	if s := l.Stats(); s.Used != 0 || s.Waiting != 0 {
		t.Errorf("%+v after everybody left", s)
	}
}

func TestFullQueue(t *testing.T) {
	t.Parallel()
	l := admission.New(1, 1, patience)
	release, err := l.Acquire(t.Context(), admission.Normal)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan result, 2)
	join(t, l, "bulk", admission.Bulk, out)
	if _, err := l.Acquire(t.Context(), admission.Bulk); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a second bulk request: %v, want unavailable", err)
	}
	go func() { // takes the place of the waiting one
		r, err := l.Acquire(context.Background(), admission.Critical)
		out <- result{"critical", r, err}
	}()
	if got := <-out; got.name != "bulk" || !errors.Is(got.err, fault.Unavailable) {
		t.Errorf("%+v, want bulk sent away", got)
	}
	release()
	got := <-out
	if got.name != "critical" || got.err != nil {
		t.Fatalf("%+v, want critical admitted", got)
	}
	got.release()
	if s := l.Stats(); s.Shed != [3]uint64{0, 0, 2} || s.Used != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNobodyWaitsForEver(t *testing.T) {
	t.Parallel()
	l := admission.New(1, 5, 20*time.Millisecond)
	release, err := l.Acquire(t.Context(), admission.Normal)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := l.Acquire(t.Context(), admission.Critical); !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v, want unavailable after MaxWait", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := admission.New(0, 5, patience).Acquire(ctx, admission.Normal); err != nil {
		t.Errorf("a free slot is given whatever the context: %v", err)
	}
	if _, err := l.Acquire(ctx, admission.Normal); err == nil {
		t.Error("a client that has left was admitted")
	}
	if s := l.Stats(); s.Waiting != 0 || s.Used != 1 {
		t.Errorf("%+v, want nobody waiting", s)
	}
}

// Under a storm of clients that come, wait, leave and are displaced no slot is lost and none is given twice.
func TestSlotsAreConserved(t *testing.T) {
	t.Parallel()
	const limit = 4
	l := admission.New(limit, 8, 2*time.Millisecond)
	var inside, most, admitted atomic.Int64
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(3000))*time.Microsecond)
				release, err := l.Acquire(ctx, admission.Class(rng.IntN(3)))
				if err == nil {
					n := inside.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					admitted.Add(1)
					time.Sleep(time.Duration(rng.IntN(200)) * time.Microsecond)
					inside.Add(-1)
					release()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if most.Load() > limit || admitted.Load() == 0 {
		t.Errorf("%d at once, limit %d; %d admitted", most.Load(), limit, admitted.Load())
	}
	if s := l.Stats(); s.Used != 0 || s.Waiting != 0 {
		t.Errorf("%+v after the storm", s)
	}
}

func BenchmarkFreeSlot(b *testing.B) {
	l := admission.New(100, 100, time.Second)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			release, err := l.Acquire(context.Background(), admission.Normal)
			if err != nil {
				b.Fatal(err)
			}
			release()
		}
	})
}
