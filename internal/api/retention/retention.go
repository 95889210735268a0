// Package retention removes what has been kept for long enough.
//
// Invariants: what is kept how long stands in Rules and nowhere else; docs/data.md repeats it and a test compares the two. A rule
// removes in batches, each a short transaction; the rules take turns, so that none with a lot to do holds up the others. Killed
// between two batches it goes on with what is left. What river keeps of jobs that ended is river's to tidy: a day, a week of
// those that failed.
package retention

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

const (
	// Every is how often the rules are applied.
	Every = 10 * time.Minute
	// slice is how long one run works; the next one goes on. It ends well before the job's minute does.
	slice = 40 * time.Second
)

// Job is the work of applying every rule.
type Job struct{}

// Kind implements jobs.Args.
func (Job) Kind() string { return "retention" }

// Keeper applies the rules.
type Keeper struct {
	db      session.DB
	log     *slog.Logger
	deleted *prometheus.CounterVec
}

// New returns a Keeper.
func New(d session.DB, log *slog.Logger) *Keeper {
	k := &Keeper{db: d, log: log, deleted: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "retention_deleted_total", Help: "Rows removed because they had been kept for long enough, by rule.",
	}, []string{"what"})}
	for _, r := range Rules() {
		k.deleted.WithLabelValues(r.What) // a rule that removes nothing shows as 0
	}
	return k
}

// Metrics returns what the Keeper counts.
func (k *Keeper) Metrics() prometheus.Collector { return k.deleted }

// Apply applies the rules, a batch of each in turn, until nothing is left or its slice of time is over. A rule that fails is left
// out of the rest; its error is returned at the end.
func (k *Keeper) Apply(ctx context.Context) error {
	end, left, removed := time.Now().Add(slice), Rules(), map[string]int64{}
	var failed []error
	for len(left) > 0 && time.Now().Before(end) && ctx.Err() == nil {
		var again []Rule
		for _, r := range left {
			n, err := k.batch(ctx, r)
			if err != nil {
				failed = append(failed, fault.Op("remove old "+r.What, err))
				continue
			}
			removed[r.What] += n
			if n > 0 {
				again = append(again, r)
			}
		}
		left = again
	}
	for what, n := range removed {
		if n > 0 {
			k.log.InfoContext(ctx, "old rows removed", "what", what, "rows", n)
		}
	}
	if len(left) > 0 {
		k.log.InfoContext(ctx, "retention goes on later", "rules", len(left))
	}
	return errors.Join(append(failed, ctx.Err())...)
}

func (k *Keeper) batch(ctx context.Context, r Rule) (n int64, err error) {
	err = pg.InTx(ctx, k.db, func(tx pgx.Tx) error {
		n, err = r.remove(ctx, db.New(tx), r)
		return err
	})
	if err == nil {
		k.deleted.WithLabelValues(r.What).Add(float64(n))
	}
	return n, err
}
