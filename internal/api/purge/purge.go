// Package purge removes accounts for good: those that were deleted and whose time to come back is over.
//
// Invariants: a purge begins by claiming the account, and nothing can restore it from then on. It goes in batches, each a short
// transaction of its own, so that it never holds up who uses the rest of the community; killed between two of them it goes on
// with the third, because every batch asks what is left. The account's own row goes last: as long as it is there, the purge is
// found again. Counters are not touched, because the deletion has moved the account out of them. What moderation and commerce
// have to keep outlives it without a name (steps); an account that is banned stays as a handle with its ban.
package purge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/moderation"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

const (
	// Every is how often due accounts are looked for.
	Every = time.Minute
	// slice is how long one run of the job works; the next one goes on. It ends well before the job's minute does.
	slice = 40 * time.Second
	// tell is how often a purge that takes long says where it is.
	tell = 10 * time.Second
)

// Job is the work of purging every account that is due.
type Job struct{}

// Kind implements jobs.Args.
func (Job) Kind() string { return "purge_accounts" }

// Options is what a Purger is made of.
type Options struct {
	DB      session.DB
	Log     *slog.Logger
	Batch   int32                         // rows of one transaction at most; 0: as each step has it
	OnBatch func(what string, rows int64) // after each batch; may be nil
}

// Purger purges accounts.
type Purger struct {
	opts    Options
	Metrics *Metrics
}

// New returns a Purger.
func New(o Options) *Purger {
	if o.OnBatch == nil {
		o.OnBatch = func(string, int64) {}
	}
	return &Purger{opts: o, Metrics: newMetrics(o.DB)}
}

// Due purges the accounts that are due, the oldest first, until none is left or its slice of time is over. One that fails does
// not hold up the others; its error is returned at the end.
func (p *Purger) Due(ctx context.Context) error {
	end := time.Now().Add(slice)
	skip, failed := []int64{}, []error(nil)
	for time.Now().Before(end) {
		id, err := db.New(p.opts.DB).ClaimPurge(ctx, skip)
		if errors.Is(err, pgx.ErrNoRows) {
			break
		}
		if err != nil {
			return fault.Op("find due accounts", errors.Join(append(failed, err)...))
		}
		if _, err := p.account(ctx, id, end); err != nil {
			if ctx.Err() != nil {
				return err
			}
			skip, failed = append(skip, id), append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// Result is what became of an account.
type Result struct {
	Rows int64 // that went, or lost a name
	Kept bool  // as a handle with its ban
	Done bool  // false: the time was over, and the rest is left to the next run
}

// Account purges one account that Condemn, or its time, has made due. It takes as long as it takes.
func (p *Purger) Account(ctx context.Context, id int64) (Result, error) {
	return p.account(ctx, id, time.Time{})
}

// account works until end; the zero time is never.
func (p *Purger) account(ctx context.Context, id int64, end time.Time) (Result, error) {
	var res Result
	began, told := time.Now(), time.Now()
	for _, s := range steps() {
		for {
			n, err := p.batch(ctx, s, id)
			if err != nil {
				return res, fault.Op("purge account", err)
			}
			res.Rows += n
			if n == 0 {
				break
			}
			if !end.IsZero() && time.Now().After(end) {
				p.opts.Log.InfoContext(ctx, "purge goes on later", "account", id, "rows", res.Rows, "at", s.what)
				return res, nil
			}
			if time.Since(told) > tell {
				told = time.Now()
				p.opts.Log.InfoContext(ctx, "purging", "account", id, "rows", res.Rows, "at", s.what)
			}
		}
	}
	if err := p.end(ctx, id, &res); err != nil || !res.Done {
		return res, fault.Op("purge account", err)
	}
	p.Metrics.accounts.Inc()
	p.opts.Log.InfoContext(ctx, "account purged", "account", id, "rows", res.Rows, "kept_for_its_ban", res.Kept, "took", time.Since(began))
	return res, nil
}

// batch runs a step once, in a transaction.
func (p *Purger) batch(ctx context.Context, s step, id int64) (n int64, err error) {
	size := s.batch
	if p.opts.Batch > 0 {
		size = min(size, p.opts.Batch)
	}
	err = pg.InTx(ctx, p.opts.DB, func(tx pgx.Tx) error {
		n, err = s.run(ctx, db.New(tx), id, size)
		return err
	})
	if err == nil && n > 0 {
		p.Metrics.rows.WithLabelValues(s.what).Add(float64(n))
		p.opts.OnBatch(s.what, n)
	}
	return n, err
}

// end removes the account's own row, or what may go of it.
func (p *Purger) end(ctx context.Context, id int64, res *Result) error {
	row, err := db.New(p.opts.DB).EndPurge(ctx, db.EndPurgeParams{ID: id, TraceID: telemetry.TraceID(ctx)})
	res.Kept, res.Done = row.Kept, row.Kept || row.Dropped
	return err
}

// Condemn deletes an account and makes it due at once, whatever it was promised: somebody has a legal claim. It ends its
// sessions and returns how many those were. The last admin is refused.
func Condemn(ctx context.Context, sessions *session.Service, id int64) (ended int, err error) {
	ended, err = sessions.RevokeAllWith(ctx, id, 0, session.Operator, func(q *db.Queries) error {
		if err := moderation.KeepAnAdmin(ctx, q, id); err != nil {
			return err
		}
		n, err := q.CondemnAccount(ctx, id)
		if err == nil && n == 0 {
			err = fault.New(fault.Conflict, "the account is gone, or purged but for its ban")
		}
		return err
	})
	return ended, fault.Op("condemn account", err)
}

// MayGo refuses the last admin, as Condemn does, and changes nothing.
func MayGo(ctx context.Context, d pg.Beginner, id int64) error {
	return fault.Op("condemn account", pg.OnceInTx(ctx, d, func(tx pgx.Tx) error { return moderation.KeepAnAdmin(ctx, db.New(tx), id) }))
}

// Count is how much of something an account has.
type Count struct {
	What string `json:"what"`
	Rows int64  `json:"rows"`
}

// Counts returns what a purge of the account would remove, or leave without a name.
func Counts(ctx context.Context, d db.DBTX, id int64) ([]Count, error) {
	rows, err := db.New(d).CountAccount(ctx, id)
	out := make([]Count, len(rows))
	for i, r := range rows {
		out[i] = Count(r)
	}
	return out, fault.Op("count account", err)
}
