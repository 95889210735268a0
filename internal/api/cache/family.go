package cache

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// catchUp is how long a request waits for the read of busts after a write that was acknowledged here; it takes a millisecond.
	catchUp = 50 * time.Millisecond
	// attempts is how often a request waits for a load that a write overtakes before it makes its answer itself.
	attempts = 3
)

// Load makes an answer.
type Load func(ctx context.Context) *Answer

// Family is the kept answers of one operation.
type Family struct {
	c    *Cache
	same func(a, b *Answer) bool

	hit, negative, miss, stale, bypass prometheus.Counter
}

// Family returns the answers that name stands for in metrics. same compares one that was kept with one made again.
func (c *Cache) Family(name string, same func(a, b *Answer) bool) *Family {
	of := func(result string) prometheus.Counter { return c.Metrics.requests.WithLabelValues(name, result) }
	return &Family{c: c, same: same, hit: of("hit"), negative: of("negative"), miss: of("miss"), stale: of("stale"), bypass: of("bypass")}
}

// Hit returns the kept answer, or nil. load makes it again in the background, now and then, to compare.
func (f *Family) Hit(ctx context.Context, key string, load Load) *Answer {
	c := f.c
	if !c.usable() || c.served.Load() < c.wanted.Load() {
		return nil
	}
	return f.kept(ctx, key, load)
}

func (f *Family) kept(ctx context.Context, key string, load Load) *Answer {
	c := f.c
	sample := rand.Uint32N(c.opts.RecheckOne) == 0
	var seen *string
	if sample {
		seen = c.seen.Load() // before the look-up: what was applied by now, the answer has survived
	}
	a := c.get(key)
	if a == nil {
		return nil
	}
	if a.ETag == "" {
		f.negative.Inc()
	} else {
		f.hit.Inc()
	}
	if sample {
		f.recheck(ctx, key, a, *seen, load)
	}
	return a
}

// Fetch returns the answer: kept, loaded by whoever came first, or made for this request alone where nothing can be kept. It
// fails when ctx ends first.
func (f *Family) Fetch(ctx context.Context, key string, load Load) (*Answer, error) {
	for range attempts {
		if !f.c.caughtUp(ctx) {
			break
		}
		if a := f.kept(ctx, key, load); a != nil {
			return a, nil
		}
		fl, joined := f.join(ctx, key, load)
		if fl == nil {
			break
		}
		select {
		case <-fl.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if fl.answer == nil { // it panicked: whoever else asks sees it too, with a trace id of their own
			break
		}
		if fl.overtaken < 0 {
			f.miss.Inc()
			return fl.answer, nil
		}
		if joined <= fl.overtaken {
			f.stale.Inc()
			return fl.answer, nil
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	f.bypass.Inc()
	return load(ctx), nil
}

// caughtUp waits until the busts of every write acknowledged here so far have been applied. It is false when kept answers are
// of no use.
func (c *Cache) caughtUp(ctx context.Context) bool {
	if !c.usable() {
		return false
	}
	wanted := c.wanted.Load()
	if c.served.Load() >= wanted {
		return true
	}
	patience := time.NewTimer(catchUp)
	defer patience.Stop()
	for {
		next := c.nextRead()
		if c.served.Load() >= wanted {
			return c.usable()
		}
		select {
		case <-next:
		case <-patience.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// flight is one load. busted is guarded by the cache's mu; answer and overtaken are there when done is closed.
type flight struct {
	busted    []string // tags, in the order in which they were applied since the load began
	done      chan struct{}
	answer    *Answer
	overtaken int // the place in busted of the first tag that the answer has; who joined after that needs a newer one
}

// join returns the load of a key, begun here if there is none, and how many busts it has seen by now; nil when nothing may be
// kept.
func (f *Family) join(ctx context.Context, key string, load Load) (fl *flight, joined int) {
	c := f.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.following.Load() {
		return nil, 0
	}
	if fl = c.flights[key]; fl != nil {
		return fl, len(fl.busted)
	}
	if a := c.get(key); a != nil { // a load has landed since we looked
		return landed(a), 0
	}
	fl = &flight{done: make(chan struct{}), overtaken: -1}
	c.flights[key] = fl
	c.loading[fl] = struct{}{}
	go c.run(context.WithoutCancel(ctx), key, fl, load)
	return fl, 0
}

// landed is a load that has ended with an answer that is kept.
func landed(a *Answer) *flight {
	fl := &flight{done: make(chan struct{}), answer: a, overtaken: -1}
	close(fl.done)
	return fl
}

func (c *Cache) run(ctx context.Context, key string, fl *flight, load Load) {
	began := time.Now()
	var a *Answer
	defer func() {
		if v := recover(); v != nil {
			c.opts.Log.ErrorContext(ctx, "panic while an answer was made", "key", key, "value", v, "stack", string(debug.Stack()))
		}
		c.land(key, fl, a)
	}()
	a = load(ctx)
	c.Metrics.load.Observe(time.Since(began).Seconds())
}

// land ends a load and keeps its answer unless something overtook it.
func (c *Cache) land(key string, fl *flight, a *Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.loading, fl)
	if c.flights[key] == fl {
		delete(c.flights, key)
	}
	fl.answer = a
	if a != nil {
		fl.overtaken = overtakes(fl.busted, a)
		if fl.overtaken < 0 && a.keepable() && c.following.Load() {
			c.keep(key, a)
		}
	}
	close(fl.done)
}
