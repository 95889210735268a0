package session

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

const (
	// FenceAfter is the age of the last successful read at which a server stops trusting its DenyMap.
	FenceAfter = 5 * time.Second
	// PollEvery is how long a lost notification delays a revocation: half of the second that is promised.
	PollEvery = 500 * time.Millisecond

	pollPatience = 2 * time.Second        // for a connection or an answer; two of them still fit below FenceAfter
	retryEvery   = 250 * time.Millisecond // after a connection was lost
	gather       = 20 * time.Millisecond  // notifications that come together are one read
	beatEvery    = time.Second
	beatGap      = 100 * time.Millisecond // between two heart-beats while revocations come in
	pruneEvery   = time.Minute

	// BustEvery is how long a change to what cached answers are made of takes at most to be read, on a quiet machine. Busts wake
	// nobody by a notification: those queue for one lock of the whole cluster at each commit, and products change far more often
	// than sessions end.
	BustEvery = 50 * time.Millisecond
	wakeGap   = 5 * time.Millisecond // between two reads that were asked for
	// tooLong is a time between two reads, by the database's clock, after which busts that were never read here may have been
	// removed by retention. It is far below an hour, for which they are kept.
	tooLong = 10 * time.Minute

	// nothingSeen is the snapshot before the first transaction: everything is news to it.
	nothingSeen = "1:1:"
)

// Busts is told what has changed of what cached answers are made of. All calls come from the feed's one goroutine.
type Busts interface {
	// Reading comes before each read. What it returns is given back with what that read brought.
	Reading() (ticket uint64)
	// Apply brings the tags that have become visible, none most of the time, and the snapshot of the read.
	Apply(ticket uint64, snapshot string, tags []string)
	// Cut says that changes may be missed from now on, until the next Apply.
	Cut()
}

// FeedOptions shapes a Feed.
type FeedOptions struct {
	Replica string // unique; names this server in `platctl auth status`
	// Connect opens the feed's own session: it listens, and a busy pool must not delay it.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	Log     *slog.Logger
	Observe func(lag time.Duration) // from the revocation's row being written to its being read here; may be nil
	// Busts may be nil: then they are neither applied nor read more often than revocations need.
	Busts       Busts
	ObserveBust func(lag time.Duration) // the same of a bust; may be nil
}

// Feed brings revocations into a DenyMap and busts to the cache: woken by a notification, by a poll in any case, and by reading
// everything again after each new connection.
type Feed struct {
	opts    FeedOptions
	deny    *DenyMap
	born    time.Time
	polled  atomic.Int64 // when the last successful read began, in nanoseconds since born; 0: never
	backlog atomic.Int64
	first   chan struct{} // closed after the first successful read
	once    sync.Once

	mu        sync.Mutex
	wanted    bool   // somebody asked for a read since the last one began
	interrupt func() // ends the wait for the next one

	// Only Run's goroutine uses these.
	seen       string
	readAt     float64 // by the database's clock, in seconds; 0 before the first read of a connection
	newest     int64
	beaten     time.Time
	beatFailed bool
	pruned     time.Time
}

// NewFeed returns a Feed that Run starts.
func NewFeed(deny *DenyMap, o FeedOptions) *Feed {
	if o.Observe == nil {
		o.Observe = func(time.Duration) {}
	}
	if o.ObserveBust == nil {
		o.ObserveBust = func(time.Duration) {}
	}
	if o.Busts == nil {
		o.Busts = noBusts{}
	}
	return &Feed{opts: o, deny: deny, born: time.Now().Add(-time.Nanosecond), first: make(chan struct{}), pruned: time.Now()}
}

// Loaded is closed once everything that was there has been read.
func (f *Feed) Loaded() <-chan struct{} { return f.first }

// Age is the time since the last successful read began; false before the first.
func (f *Feed) Age() (time.Duration, bool) {
	at := f.polled.Load()
	return time.Since(f.born) - time.Duration(at), at > 0
}

// Fenced says that this server may have missed a revocation.
func (f *Feed) Fenced() bool {
	age, ok := f.Age()
	return !ok || age > FenceAfter
}

// Backlog is the number of revocations that some live server had not applied at our last heart-beat.
func (f *Feed) Backlog() int64 { return f.backlog.Load() }

// Run follows the revocations until ctx ends.
func (f *Feed) Run(ctx context.Context) {
	warned := false
	for {
		began := time.Now()
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if warned = warned && time.Since(began) < time.Minute; !warned {
			f.opts.Log.WarnContext(ctx, "revocations can't be read; trying again", "error", err)
			warned = true
		}
		if !pause(ctx, retryEvery) {
			return
		}
	}
}

// follow reads over one connection until that fails or ctx ends.
func (f *Feed) follow(ctx context.Context) error {
	dial, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	conn, err := f.opts.Connect(dial)
	if err != nil {
		return err
	}
	q := db.New(conn)
	defer f.leave(ctx, conn, q)
	if err := q.ListenRevocations(dial); err != nil {
		return err
	}
	defer f.opts.Busts.Cut()
	f.seen, f.readAt = nothingSeen, 0
	whole := context.WithoutCancel(ctx) // a read that is cut off takes the connection with it, over which this server would leave
	for {
		drain(conn)
		began := time.Now()
		n, err := f.poll(whole, q)
		if err != nil {
			return err
		}
		f.upkeep(whole, q, n)
		why, err := f.wait(ctx, conn)
		if err != nil {
			return err
		}
		switch why {
		case notified:
			_ = pause(ctx, gather)
		case asked:
			_ = pause(ctx, wakeGap-time.Since(began))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// leave closes the connection. A server that ends takes its row with it, so that nobody waits for it.
func (f *Feed) leave(ctx context.Context, conn *pgx.Conn, q *db.Queries) {
	ended := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if ended && !conn.IsClosed() {
		if err := q.ForgetReplica(ctx, f.opts.Replica); err != nil {
			f.opts.Log.WarnContext(ctx, "the heart-beat of this server stays behind", "replica", f.opts.Replica, "error", err)
		}
	}
	_ = conn.Close(ctx)
}

// poll applies what has become visible since the last read and returns how many revocations that were.
func (f *Feed) poll(ctx context.Context, q *db.Queries) (int, error) {
	began, ticket := time.Since(f.born), f.reading()
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	rows, err := q.UnseenChanges(ctx, f.seen)
	if err != nil {
		return 0, fault.Op("read revocations", err)
	}
	if f.readAt > 0 && rows[0].ReadAt-f.readAt > tooLong.Seconds() {
		return 0, fault.New(fault.Unavailable, "the last read is too long ago to go on from it")
	}
	f.readAt = rows[0].ReadAt
	n, tags := 0, []string(nil)
	for _, r := range rows {
		switch {
		case r.Kind == "": // nothing new
		case r.Kind == "cache":
			tags = append(tags, r.Tags...)
			f.opts.ObserveBust(seconds(r.LagSeconds))
		default:
			n++
			f.newest = max(f.newest, r.Seq)
			f.apply(r)
			if f.seen != nothingSeen { // what was there before us says nothing about our lag
				f.opts.Observe(seconds(r.LagSeconds))
			}
		}
	}
	f.seen = rows[0].Snapshot
	f.opts.Busts.Apply(ticket, f.seen, tags)
	f.polled.Store(int64(began))
	f.once.Do(func() { close(f.first) })
	return n, nil
}

// reading takes note that a read begins: whoever asked for one before is served by it.
func (f *Feed) reading() (ticket uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted = false
	return f.opts.Busts.Reading()
}

// Wake asks for a read that begins after now. It does not wait for it.
func (f *Feed) Wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted = true
	if f.interrupt != nil {
		f.interrupt()
	}
}

func (f *Feed) apply(r db.UnseenChangesRow) {
	remaining := seconds(r.RemainingSeconds)
	switch r.Kind {
	case "session":
		f.deny.DenySession(r.Subject, remaining)
	case "user":
		upto := int64(math.MaxInt64) // of an older release, which knows times only
		if r.UptoSession != nil {
			upto = *r.UptoSession
		}
		f.deny.DenyUser(r.Subject, upto, remaining)
	default: // of a newer release: we can't do what it asks, and must not pretend
		f.opts.Log.Error("revocation of an unknown kind", "kind", r.Kind, "seq", r.Seq)
	}
}

// upkeep tells the others how far we are and forgets what nobody asks for any more. Its failures delay nobody's revocation.
func (f *Feed) upkeep(ctx context.Context, q *db.Queries, applied int) {
	since := time.Since(f.beaten)
	if since < beatGap || applied == 0 && since < beatEvery {
		return
	}
	f.beaten = time.Now()
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	err := f.beat(ctx, q)
	if time.Since(f.pruned) > pruneEvery {
		f.pruned = time.Now()
		f.deny.Prune()
	}
	if err != nil && !f.beatFailed && ctx.Err() == nil {
		f.opts.Log.WarnContext(ctx, "no heart-beat of this server", "replica", f.opts.Replica, "error", err)
	}
	f.beatFailed = err != nil
}

func (f *Feed) beat(ctx context.Context, q *db.Queries) error {
	err := q.BeatReplica(ctx, db.BeatReplicaParams{ID: f.opts.Replica, AppliedSeq: f.newest, Applied: f.seen})
	if err != nil {
		return err
	}
	st, err := readReplicas(ctx, q)
	if err != nil {
		return err
	}
	var backlog int64
	for _, r := range st {
		backlog = max(backlog, r.Backlog)
	}
	f.backlog.Store(backlog)
	return nil
}

// reason is why a wait ended.
type reason int

const (
	timeUp reason = iota
	notified
	asked
)

// wait returns at the next notification, when a read is asked for, or when the next poll is due.
func (f *Feed) wait(ctx context.Context, conn *pgx.Conn) (reason, error) {
	every := BustEvery
	if f.opts.Busts == (noBusts{}) {
		every = PollEvery
	}
	tick, cancel := context.WithTimeout(ctx, every)
	defer cancel()
	if !f.interruptible(cancel) {
		return asked, nil
	}
	_, err := conn.WaitForNotification(tick)
	wanted := !f.interruptible(nil)
	switch {
	case err == nil:
		return notified, nil
	case tick.Err() == nil || conn.IsClosed():
		return timeUp, err
	case wanted:
		return asked, ctx.Err()
	}
	return timeUp, ctx.Err()
}

// interruptible lets Wake call end from now on, unless a read is wanted already.
func (f *Feed) interruptible(end func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.interrupt = end
	return !f.wanted
}

// noBusts is for a server without a cache.
type noBusts struct{}

// Reading implements Busts.
func (noBusts) Reading() uint64 { return 0 }

// Apply implements Busts.
func (noBusts) Apply(uint64, string, []string) {}

// Cut implements Busts.
func (noBusts) Cut() {}

// drain drops notifications that came before the read that is about to begin: it sees what they are about.
func drain(conn *pgx.Conn) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		if _, err := conn.WaitForNotification(ended); err != nil {
			return
		}
	}
}

// pause waits for d; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
