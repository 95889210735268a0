package cache

import (
	"context"
	"time"
)

// recheckBudget is for making an answer again and for asking the database about it.
const recheckBudget = 5 * time.Second

// recheck makes a kept answer again in the background and compares. One is made at a time; others are dropped meanwhile. A
// difference is a divergence unless the database has a bust of one of the answer's tags that was not applied here when the
// answer was served: seen is the snapshot of what was.
func (f *Family) recheck(ctx context.Context, key string, a *Answer, seen string, load Load) {
	c := f.c
	select {
	case c.rechecks <- struct{}{}:
	default:
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recheckBudget)
		defer func() {
			cancel()
			<-c.rechecks
		}()
		result := f.compare(ctx, key, a, seen, load)
		c.Metrics.rechecks.WithLabelValues(result).Inc()
		if result == "divergent" {
			c.Metrics.divergence.Inc()
		}
	}()
}

func (f *Family) compare(ctx context.Context, key string, a *Answer, seen string, load Load) (result string) {
	c := f.c
	defer func() {
		if v := recover(); v != nil {
			c.opts.Log.ErrorContext(ctx, "panic while an answer was made again", "key", key, "value", v)
			result = "unknown"
		}
	}()
	again := load(ctx)
	if !again.keepable() {
		return "unknown"
	}
	if f.same(a, again) {
		return "same"
	}
	busted, err := c.opts.Busted(ctx, seen, a.Tags)
	switch {
	case err != nil:
		return "unknown"
	case busted:
		return "overtaken"
	}
	c.opts.Log.ErrorContext(ctx, "a kept answer is not what the database says, and nothing says why", "key", key, "tags", a.Tags,
		"kept", string(a.Body[:min(len(a.Body), 2000)]), "now", string(again.Body[:min(len(again.Body), 2000)]))
	return "divergent"
}
