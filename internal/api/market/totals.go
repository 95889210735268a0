package market

import (
	"context"
	"sync"
	"time"
)

const (
	totalAge  = 30 * time.Second
	maxTotals = 1000 // filters that are remembered
)

// filterKey is a Filter that can be compared.
type filterKey struct {
	words, category    string
	farm               int64
	minPrice, maxPrice int64 // maxPrice -1: none
	inStock            bool
}

func newFilterKey(f Filter) filterKey {
	k := filterKey{f.Words, f.Category, f.Farm, f.MinPrice, -1, f.InStock}
	if f.MaxPrice != nil {
		k.maxPrice = *f.MaxPrice
	}
	return k
}

// totals remembers how many products match a filter: counting costs more than the page, and nobody needs it to the second.
// Whoever asks while somebody counts waits for that answer.
type totals struct {
	keep time.Duration
	now  func() time.Time

	mu    sync.Mutex
	known map[filterKey]*total
}

// total is a count, finished when done is closed.
type total struct {
	done  chan struct{}
	n     int64
	err   error
	until time.Time
}

func newTotals(keep time.Duration, now func() time.Time) *totals {
	if keep == 0 {
		keep = totalAge
	}
	return &totals{keep: keep, now: now, known: map[filterKey]*total{}}
}

func (t *totals) of(ctx context.Context, k filterKey, count func(context.Context) (int64, error)) (int64, error) {
	if t.keep < 0 {
		return count(ctx)
	}
	for {
		known, mine := t.open(k)
		if mine {
			known.n, known.err = count(ctx)
			t.close(k, known)
			return known.n, known.err
		}
		select {
		case <-known.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if known.err == nil {
			return known.n, nil
		}
		// Whoever counted failed, perhaps because its client left: count for ourselves.
	}
}

// open returns what is known or being counted, or a new count that the caller has to make.
func (t *totals) open(k filterKey) (known *total, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.known[k]; e != nil && (e.until.IsZero() || t.now().Before(e.until)) {
		return e, false
	}
	if len(t.known) >= maxTotals {
		clear(t.known) // those who wait hold what they wait for
	}
	e := &total{done: make(chan struct{})}
	t.known[k] = e
	return e, true
}

func (t *totals) close(k filterKey, e *total) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.until = t.now().Add(t.keep)
	if e.err != nil && t.known[k] == e {
		delete(t.known, k)
	}
	close(e.done)
}
