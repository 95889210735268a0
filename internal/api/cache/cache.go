package cache

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Fence is the age of the last read of busts at which nothing kept is served any more: twenty reads are missing by then.
const Fence = time.Second

// Options shapes a Cache.
type Options struct {
	MaxBytes int64 // what kept answers may take; 0: nothing is kept
	Log      *slog.Logger
	// Wake asks for a read of the busts that begins after now.
	Wake func()
	// Busted asks the database whether something with one of the tags has changed that a snapshot had not seen.
	Busted func(ctx context.Context, seen string, tags []string) (bool, error)
	// RecheckOne of this many hits is made again and compared; 0: of 100.
	RecheckOne uint32
}

// entry is a kept answer. It is dead from the moment at which the bust of one of its tags is applied.
type entry struct {
	key    string
	answer *Answer
	dead   atomic.Bool
}

// Cache keeps answers. The zero value is of no use; New makes one.
type Cache struct {
	Metrics *Metrics

	opts  Options
	store *otter.Cache[string, *entry] // nil: nothing is kept
	born  time.Time

	following atomic.Bool   // busts are being read
	readAt    atomic.Int64  // when the last read that was applied began, in nanoseconds since born
	wanted    atomic.Uint64 // writes that were acknowledged here
	served    atomic.Uint64 // of those, how many the last read comes after
	seen      atomic.Pointer[string]
	reading   int64 // when the read under way began; used by the reader only
	rechecks  chan struct{}

	mu       sync.Mutex
	tagged   map[string]map[*entry]struct{} // every kept answer under each of its tags
	flights  map[string]*flight             // the load that newcomers wait for, by key
	loading  map[*flight]struct{}           // all of them, which collect the busts that are applied meanwhile
	advanced chan struct{}                  // closed at the next read; nil when nobody waits for it
}

// New returns a Cache that keeps nothing until busts are applied.
func New(o Options) (*Cache, error) {
	if o.RecheckOne == 0 {
		o.RecheckOne = 100
	}
	c := &Cache{
		opts: o, born: time.Now(), rechecks: make(chan struct{}, 1), tagged: map[string]map[*entry]struct{}{},
		flights: map[string]*flight{}, loading: map[*flight]struct{}{},
	}
	c.Metrics = newMetrics(c.weight)
	if o.MaxBytes <= 0 {
		return c, nil
	}
	var err error
	c.store, err = otter.New(&otter.Options[string, *entry]{
		MaximumWeight:    uint64(o.MaxBytes),
		Weigher:          func(key string, e *entry) uint32 { return e.answer.weight(key) },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, *entry]) time.Duration { return e.Value.answer.keep() }),
		OnDeletion:       c.deleted,
	})
	return c, err
}

// On says whether the cache keeps anything at all.
func (c *Cache) On() bool { return c.store != nil }

func (c *Cache) weight() float64 {
	if !c.On() {
		return 0
	}
	return float64(c.store.WeightedSize())
}

// Expect is called when a write was done here, before it is acknowledged: whoever asks after that is served by no answer that
// is older than the write.
func (c *Cache) Expect() {
	if c.On() {
		c.wanted.Add(1)
		c.opts.Wake()
	}
}

// usable says that every bust of more than Fence ago has been applied.
func (c *Cache) usable() bool {
	return c.On() && c.following.Load() && time.Since(c.born)-time.Duration(c.readAt.Load()) <= Fence
}

// get returns the kept answer, which nothing has busted when get was called.
func (c *Cache) get(key string) *Answer {
	e, ok := c.store.GetIfPresent(key)
	if !ok || e.dead.Load() {
		return nil
	}
	return e.answer
}

// keep stores an answer. The caller holds mu and knows that no tag of it was busted.
func (c *Cache) keep(key string, a *Answer) {
	e := &entry{key: key, answer: a}
	for _, t := range a.Tags {
		of := c.tagged[t]
		if of == nil {
			of = map[*entry]struct{}{}
			c.tagged[t] = of
		}
		of[e] = struct{}{}
	}
	c.store.Set(key, e)
}

// forget takes an entry out of the index by tags. The caller holds mu.
func (c *Cache) forget(e *entry) {
	for _, t := range e.answer.Tags {
		of := c.tagged[t]
		delete(of, e)
		if len(of) == 0 {
			delete(c.tagged, t)
		}
	}
}

// drop makes sure that an entry is served no more. The caller holds mu.
func (c *Cache) drop(e *entry, cause string) {
	e.dead.Store(true)
	c.forget(e)
	c.store.Invalidate(e.key)
	c.Metrics.evictions.WithLabelValues(cause).Inc()
}

// deleted is told, some time later, of every entry that left the store.
func (c *Cache) deleted(e otter.DeletionEvent[string, *entry]) {
	switch e.Cause {
	case otter.CauseExpiration:
		c.Metrics.evictions.WithLabelValues(byTime).Inc()
	case otter.CauseOverflow:
		c.Metrics.evictions.WithLabelValues(bySize).Inc()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(e.Value)
}
