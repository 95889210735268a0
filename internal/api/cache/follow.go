package cache

import (
	"slices"
	"time"
)

// Reading implements session.Busts.
func (c *Cache) Reading() (ticket uint64) {
	c.reading = int64(time.Since(c.born))
	return c.wanted.Load()
}

// Apply implements session.Busts: it drops what has one of the tags, tells the loads under way, and then lets those go on who
// waited for this read.
func (c *Cache) Apply(ticket uint64, snapshot string, tags []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range tags {
		if t == Everything {
			c.dropAll(byBust)
		}
		for e := range c.tagged[t] {
			c.drop(e, byBust)
		}
	}
	for f := range c.loading {
		f.busted = append(f.busted, tags...)
	}
	c.seen.Store(&snapshot)
	c.readAt.Store(c.reading)
	c.served.Store(ticket)
	c.following.Store(true)
	if c.advanced != nil {
		close(c.advanced)
		c.advanced = nil
	}
}

// Cut implements session.Busts.
func (c *Cache) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.following.Store(false)
	c.dropAll(byCut)
	for f := range c.loading {
		f.busted = append(f.busted, Everything)
	}
}

// dropAll drops everything. The caller holds mu.
func (c *Cache) dropAll(cause string) {
	for _, of := range c.tagged {
		for e := range of {
			c.drop(e, cause)
		}
	}
}

// nextRead is closed when the next read has been applied.
func (c *Cache) nextRead() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.advanced == nil {
		c.advanced = make(chan struct{})
	}
	return c.advanced
}

// overtakes returns the place of the first busted tag that an answer has, or -1.
func overtakes(busted []string, a *Answer) int {
	return slices.IndexFunc(busted, func(t string) bool {
		if t == Everything {
			return true
		}
		_, ok := slices.BinarySearch(a.Tags, t)
		return ok
	})
}
