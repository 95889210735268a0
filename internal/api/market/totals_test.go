package market

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A total is counted once for everybody who asks within its age, per filter.
func TestTotals(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1000, 0)}
	tt := newTotals(0, c.now)
	counted := int64(0)
	count := func(context.Context) (int64, error) { counted++; return 10 * counted, nil }
	ask := func(k filterKey, want int64) {
		t.Helper()
		if n, err := tt.of(t.Context(), k, count); n != want || err != nil {
			t.Errorf("%d, %v; want %d", n, err, want)
		}
	}
	all, fruit := filterKey{maxPrice: -1}, filterKey{maxPrice: -1, category: "fruit"}
	ask(all, 10)
	ask(all, 10)
	ask(fruit, 20)
	c.pass(totalAge - time.Second)
	ask(all, 10)
	c.pass(time.Second)
	ask(all, 30)
	for i := range int64(3 * maxTotals) {
		ask(filterKey{farm: i + 1}, 10*(counted+1))
	}
	if len(tt.known) > maxTotals {
		t.Errorf("%d filters are remembered", len(tt.known))
	}
	never := newTotals(-1, c.now)
	for range 2 {
		before := counted
		if _, err := never.of(t.Context(), all, count); err != nil || counted != before+1 {
			t.Errorf("an age below 0 remembers: %v", err)
		}
	}
}

// Many who ask at once share one count. Where it fails, as when its client leaves, the next of them counts anew.
func TestTotalsAreCountedOnce(t *testing.T) {
	t.Parallel()
	tt := newTotals(0, time.Now)
	began, fail := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := tt.of(t.Context(), filterKey{}, func(context.Context) (int64, error) {
			close(began)
			<-fail
			return 0, context.Canceled
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the first got %v", err)
		}
	})
	<-began
	var mu sync.Mutex
	counts := 0
	for range 20 {
		wg.Go(func() {
			n, err := tt.of(t.Context(), filterKey{}, func(context.Context) (int64, error) {
				mu.Lock()
				defer mu.Unlock()
				counts++
				return 7, nil
			})
			if n != 7 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := tt.of(gone, filterKey{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves waits for the count: %v", err)
	}
	close(fail)
	wg.Wait()
	if counts != 1 {
		t.Errorf("counted %d times", counts)
	}
}
