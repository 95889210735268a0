// Package jobs runs work that outlives the request that asked for it: mails, purges, retention. The queue is river, on
// tables of our own database.
//
// Invariants: a job is written in the transaction that makes it necessary (Insert), so neither exists without the other; it
// runs at least once, so its handler can run twice; it runs on a server that is in charge, never on one in standby; a handler
// that fails is tried again, later each time, and given up after maxAttempts, which jobs_given_up shows; with an error of GiveUp
// it is not tried again. What a job carries and the errors of its attempts are stored in plain text for a day or more: ids,
// never secrets.
package jobs

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/telemetry"
)

const (
	maxAttempts = 10               // river waits attempt⁴ seconds: the last is four hours after the first
	jobTimeout  = time.Minute      // of one attempt; then its context ends
	softStop    = 15 * time.Second // running jobs get this long to end by themselves, then their contexts end
	hardStop    = 5 * time.Second  // and this long to notice
	retryStart  = time.Second      // between two tries to reach the database
)

// Args is what a job carries, as JSON. Kind names its handler and never changes: jobs wait in the database.
type Args interface{ Kind() string }

// Queued is what Args may be as well: worked in a queue of their own (Options.Queues), so that slow work holds up no other.
type Queued interface{ Queue() string }

func queueOf(args Args) string {
	if q, ok := args.(Queued); ok {
		return q.Queue()
	}
	return river.QueueDefault
}

// Role tells whether this server works jobs, and when that may have changed.
type Role interface {
	Watch() (active bool, changed <-chan struct{})
}

// Options is what a Queue is made of.
type Options struct {
	Pool    *pgxpool.Pool // of the workers' own, so that jobs take no connection from requests; nil: this server only inserts
	Log     *slog.Logger
	Role    Role
	Workers int            // jobs at once
	Queues  map[string]int // further queues, and how many of their jobs at once
}

// Queue takes jobs and runs their handlers.
type Queue struct {
	opts    Options
	workers *river.Workers
	client  *river.Client[pgx.Tx]
	Metrics *Metrics
}

// New returns a Queue. Handlers are added with Handle, then Run works.
func New(o Options) (*Queue, error) {
	q := &Queue{opts: o, workers: river.NewWorkers(), Metrics: newMetrics(o.Pool)}
	cfg := &river.Config{
		Logger: slog.New(atLeast{o.Log.Handler(), slog.LevelWarn}), MaxAttempts: maxAttempts, JobTimeout: jobTimeout, SoftStopTimeout: softStop,
		Workers: q.workers, Middleware: []rivertype.Middleware{&observer{log: o.Log, metrics: q.Metrics}},
	}
	if o.Pool != nil {
		cfg.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: o.Workers}}
		for name, n := range o.Queues {
			cfg.Queues[name] = river.QueueConfig{MaxWorkers: n}
		}
	}
	var err error
	q.client, err = river.NewClient(riverpgxv5.New(o.Pool), cfg)
	return q, fault.Op("make the job queue", err)
}

// Handle makes fn the handler of T's kind. Two handlers of one kind are a programmer's mistake and panic.
func Handle[T Args](q *Queue, fn func(ctx context.Context, args T) error) {
	river.AddWorker(q.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error { return fn(ctx, job.Args) }))
}

// GiveUp marks an error that trying again can't mend: the job ends as cancelled.
func GiveUp(err error) error { return river.JobCancel(err) }

// Later says that the job is to run again after a while, however often: nothing failed, or the job counts its failures itself.
func Later(d time.Duration) error { return river.JobSnooze(d) }

// Every makes a job of args at the start and then once per interval, on one of all servers.
func (q *Queue) Every(interval time.Duration, args Args) {
	if q.opts.Pool == nil {
		return
	}
	q.client.PeriodicJobs().Add(river.NewPeriodicJob(river.PeriodicInterval(interval),
		func() (river.JobArgs, *river.InsertOpts) {
			// Unique: servers that take turns in leading start the clock anew, and work that is still waiting is enough.
			return args, &river.InsertOpts{Queue: queueOf(args), UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: interval}}
		}, &river.PeriodicJobOpts{RunOnStart: true}))
}

// Insert adds a job in the caller's transaction. The job's log lines carry the trace of ctx.
func (q *Queue) Insert(ctx context.Context, tx pgx.Tx, args Args) error {
	meta, err := json.Marshal(metadata{TraceID: telemetry.TraceID(ctx)})
	if err != nil {
		return fault.Op("insert job", err)
	}
	_, err = q.client.InsertTx(ctx, tx, args, &river.InsertOpts{Metadata: meta, Queue: queueOf(args)})
	return fault.Op("insert job", err)
}

// Run works jobs while this server is in charge, until ctx ends; then it fetches no more and returns when the running ones
// have ended.
func (q *Queue) Run(ctx context.Context) {
	if q.opts.Pool == nil {
		return
	}
	var warn sync.Once
	for ctx.Err() == nil {
		active, changed := q.opts.Role.Watch()
		if !active {
			wait(ctx, changed)
			continue
		}
		if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
			warn.Do(func() { q.opts.Log.WarnContext(ctx, "jobs wait; trying again", "error", err) })
			pause(ctx, retryStart)
			continue
		}
		q.untilNotActive(ctx)
		q.stop(ctx)
	}
}

func (q *Queue) untilNotActive(ctx context.Context) {
	for ctx.Err() == nil {
		active, changed := q.opts.Role.Watch()
		if !active {
			return
		}
		wait(ctx, changed)
	}
}

// stop ends the workers. A job whose handler ignores its context is left behind: it runs again elsewhere after an hour.
func (q *Queue) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), softStop+hardStop)
	defer cancel()
	if err := q.client.Stop(ctx); err != nil {
		q.opts.Log.ErrorContext(ctx, "jobs were left behind", "error", err)
	}
}

func wait(ctx context.Context, changed <-chan struct{}) {
	select {
	case <-changed:
	case <-ctx.Done():
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
