package migrate

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

// Result is what an Up did.
type Result struct {
	From     int64    `json:"from"` // newest applied version before
	To       int64    `json:"to"`   // and after
	Applied  []Done   `json:"applied"`
	Warnings []string `json:"warnings,omitempty"`
}

// Done is one migration that was applied.
type Done struct {
	Version    int64  `json:"version"`
	Name       string `json:"name"`
	Statements int    `json:"statements"`
	DurationMS int64  `json:"duration_ms"`
}

// resetRole gives the session its own role back, so that the ledger can be written whatever a file did. RESET ROLE comes
// second: it returns to a role that the URL asks for.
const resetRole = "reset session authorization; reset role"

// Up applies every pending migration up to version to (0: all), in order, on a session of its own. What it had done
// before an error stays done, and the result says so.
func (m *Migrator) Up(ctx context.Context, url string, to int64) (*Result, error) {
	r := &runner{m: m, res: &Result{Applied: []Done{}}}
	err := r.up(ctx, url, to)
	if err != nil && ctx.Err() != nil && fault.KindOf(err) != fault.Canceled {
		err = fault.Wrap(ctx.Err(), fault.Canceled, "interrupted before the next file") // the server says "canceling statement"
	}
	return r.res, fault.Op("migrate up", err)
}

// runner is one Up.
type runner struct {
	m    *Migrator
	conn *pgx.Conn
	res  *Result

	pid      uint32          // of the session that has the lock
	isReady  map[string]bool // prepared statements that are there; see ready
	watcher  watcher
	blockers []Session // of the last statement that didn't get its lock
}

func (r *runner) emit(e Event) { r.m.opts.OnEvent(e) }

func (r *runner) up(ctx context.Context, url string, to int64) error {
	entries, end, err := r.begin(ctx, url)
	defer end()
	if err != nil {
		return err
	}
	if err := r.refuseForeign(ctx, entries); err != nil {
		return err
	}
	st := r.m.compare(entries)
	todo, err := r.m.plan(st, to)
	if err != nil {
		return err
	}
	r.res.From, r.res.To, r.res.Warnings = st.Current, st.Current, st.Warnings
	for _, w := range st.Warnings {
		r.emit(Event{Kind: EventWarning, Message: w})
	}
	if err := r.guard(ctx, todo); err != nil {
		return err
	}
	return r.changing(ctx, len(todo), &r.res.From, &r.res.To, func() error {
		for _, mg := range todo {
			if err := r.apply(ctx, mg, entries[mg.Version]); err != nil {
				return err
			}
		}
		return nil
	})
}

// apply runs one file and tells how it went.
func (r *runner) apply(ctx context.Context, mg *Migration, before *entry) error {
	p := pass{mg: mg, script: &mg.Up, began: time.Now()}
	done, err := r.resumeAt(mg, before)
	if err != nil {
		return r.tell(p, err)
	}
	if before != nil && before.State != Applied && before.State != Reverted {
		p.begun, p.progress = before.Begun, before.Progress
	}
	if err := r.tell(p, r.run(ctx, p, done)); err != nil {
		return err
	}
	r.res.To = max(r.res.To, mg.Version)
	r.res.Applied = append(r.res.Applied, Done{mg.Version, mg.Name, p.total(), time.Since(p.began).Milliseconds()})
	return nil
}
