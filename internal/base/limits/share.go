package limits

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Servers that share a limit lend from one account a client, which a Lender keeps for all of them.
//
// Most clients never come near their limit, and asking somebody else about each request would cost more than the request. So
// each of n servers lets a client have 1/8n of its burst and 1/n of its rate without asking. A client that needs more here
// borrows: what it had without asking is booked, and units come in loans of a tenth of a second's worth, which are fetched
// before the last ones are used up. While a client owes anything in the shared account, every server borrows for it (Regroup
// tells them), so nothing is had twice. What is admitted in all is at most burst + rate x time plus an eighth of the burst, once.
//
// Where the Lender does not answer, each server holds every client to 1/n of its burst and rate, n being the last number of
// servers known.
const (
	untoldShare  = 8
	loanTime     = 100 * time.Millisecond
	lendPatience = 250 * time.Millisecond // for an answer of the Lender
	lendRetry    = 2 * time.Second        // before a Lender that failed is asked again
	loanIdle     = 2 * time.Second        // without a request and without a debt, before a loan is written off
	maxLoans     = 4096                   // clients that borrow at once, of one limit
	maxBatch     = 256                    // asks in one call
	borrowTurns  = 4                      // of one request that others overtake
)

// Lender keeps the accounts of clients for all servers.
type Lender interface {
	// Lend books what was used and hands out up to what is wanted, for each ask. Answers are in the order of the asks.
	Lend(ctx context.Context, asks []Ask) ([]Loan, error)
}

// Account names a client's account with the Lender.
type Account struct {
	Limit  string // class/kind
	Client [16]byte
}

// Ask is one server's wish for one account.
type Ask struct {
	Account
	Terms Limit
	Used  int64 // units that were had without asking
	Want  int64
}

// Loan is the answer to an Ask.
type Loan struct {
	Granted int64
	Owed    float64 // units that the client owes in all, the granted ones among them
}

// Debt is what a client owes in the shared account.
type Debt struct {
	Account
	Owed float64
}

// group is who shares.
type group struct {
	servers int
	sharing bool
}

// loans is the clients of one limit that borrow.
type loans struct {
	count atomic.Int64
	mu    sync.RWMutex
	of    map[Key]*loan
}

// loan is what this server has for one client.
type loan struct {
	mu     sync.Mutex
	key    Key
	units  int64         // in hand
	used   int64         // had without asking, not booked yet
	need   int64         // of requests that wait
	asked  chan struct{} // closed with the answer; nil: nobody asks
	until  time.Duration // nothing is to be had before
	owed   float64       // in the shared account as of at, the units in hand among them
	at     time.Duration
	last   time.Duration // request
	parked int64         // units that the meter was given to remember as of at, while servers don't share
	closed bool
}

func (s *loans) get(k Key) *loan {
	if s.count.Load() == 0 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.of[k]
}

// open returns the loan of a client, a new one where there is none; nil when there are too many. What the client had from
// the meter without asking is the loan's affair from then on.
func (b *bucket) open(k Key, now time.Duration) *loan {
	s := b.loans
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.of[k]; n != nil {
		return n
	}
	if len(s.of) >= maxLoans {
		return nil
	}
	n := &loan{key: k, used: b.meter.Read(k, now).Owed(), at: now, last: now}
	b.meter.Set(k, 0, now)
	s.of[k] = n
	s.count.Store(int64(len(s.of)))
	return n
}

// close drops the loans for which done is true. done is called with the loan locked.
func (s *loans) close(done func(n *loan) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, n := range s.of {
		n.mu.Lock()
		if done(n) {
			n.closed = true
			delete(s.of, k)
		}
		n.mu.Unlock()
	}
	s.count.Store(int64(len(s.of)))
}

// hurry lets everybody ask again at once: the terms have changed.
func (s *loans) hurry() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, n := range s.of {
		n.mu.Lock()
		n.until = 0
		n.mu.Unlock()
	}
}

// take asks a bucket for a client: this server's own meter, or a loan.
func (l *Limiter) take(ctx context.Context, b *bucket, k Key, cost int64, now time.Duration) Reading {
	for range borrowTurns {
		if !l.group.Load().sharing {
			return b.meter.Take(k, cost, now)
		}
		n := b.loans.get(k)
		if n == nil {
			own := b.meter.TakeWithin(k, cost, now, b.untold)
			if own.OK {
				return b.reading(cost, float64(own.Owed()), true)
			}
			if n = b.open(k, now); n == nil {
				return b.meter.Take(k, cost, now)
			}
		}
		r, answer := l.borrow(b, n, cost, now)
		if answer == nil {
			return r
		}
		if !patient(ctx, answer) {
			return r
		}
		now = l.opts.Now()
	}
	return b.reading(cost, float64(b.limit.Burst), false)
}

// patient waits for an answer; false when there is none in time, or the client has left.
func patient(ctx context.Context, answer <-chan struct{}) bool {
	late := time.NewTimer(2 * lendPatience)
	defer late.Stop()
	select {
	case <-answer:
		return true
	case <-ctx.Done():
	case <-late.C:
	}
	return false
}

// borrow takes cost units of a loan. With an answer to wait for there is no decision yet.
func (l *Limiter) borrow(b *bucket, n *loan, cost int64, now time.Duration) (Reading, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = max(n.last, now)
	if n.closed { // between being found and being locked: look again
		again := make(chan struct{})
		close(again)
		return Reading{}, again
	}
	if n.units >= cost {
		n.units -= cost
		if n.units < b.chunk()/2 && n.asked == nil && now >= n.until {
			l.desk.ask(b, n)
		}
		return b.reading(cost, n.estimate(b, now), true), nil
	}
	r := b.reading(cost, n.estimate(b, now), false)
	if now < n.until {
		r.backlog = max(r.backlog, int64(n.until-now)+r.depth-cost*r.interval)
		return r, nil
	}
	n.need += cost
	if n.asked == nil {
		l.desk.ask(b, n)
	}
	return r, n.asked
}

// chunk is the size of a loan.
func (b *bucket) chunk() int64 {
	return min(max(int64(loanTime/b.limit.Rate.Interval()), 1), b.limit.Burst)
}

// estimate is what the client owes now in all, as far as we know.
func (n *loan) estimate(b *bucket, now time.Duration) float64 {
	booked := max(n.owed-float64(now-n.at)/float64(b.limit.Rate.Interval()), 0)
	return max(booked-float64(n.units), 0) + float64(n.used)
}

// reading says what a client owes of the whole limit.
func (b *bucket) reading(cost int64, owed float64, ok bool) Reading {
	interval := int64(b.limit.Rate.Interval())
	return Reading{OK: ok, interval: interval, depth: b.limit.Burst * interval, backlog: int64(owed * float64(interval)), cost: cost}
}

// give returns what was taken for a request that another limit refused.
func (l *Limiter) give(b *bucket, k Key, cost int64, now time.Duration) {
	if n := b.loans.get(k); n != nil && l.group.Load().sharing {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.units += cost
		return
	}
	b.meter.Give(k, cost, now)
}

// desk is where loans wait for an answer of the Lender.
type desk struct {
	mu    sync.Mutex
	queue []wish
	bell  chan struct{}
}

type wish struct {
	b *bucket
	n *loan
}

// ask queues a loan, which the caller has locked.
func (d *desk) ask(b *bucket, n *loan) {
	n.asked = make(chan struct{})
	d.mu.Lock()
	d.queue = append(d.queue, wish{b, n})
	d.mu.Unlock()
	select {
	case d.bell <- struct{}{}:
	default:
	}
}

// next returns wishes, as many as one call takes.
func (d *desk) next() []wish {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(d.queue), maxBatch)
	batch := d.queue[:n:n]
	d.queue = d.queue[n:]
	return batch
}

// Borrow asks the Lender for what requests wait for, until ctx ends. One call at a time, with everything that came together.
// failed hears of each call that failed.
func (l *Limiter) Borrow(ctx context.Context, failed func(error)) {
	for {
		for batch := l.desk.next(); len(batch) > 0; batch = l.desk.next() {
			err := l.lend(ctx, batch)
			if err == nil {
				wake(batch)
				continue
			}
			l.alone(lendRetry)
			wake(batch)
			l.wakeAll()
			if ctx.Err() == nil {
				failed(err)
			}
		}
		select {
		case <-l.desk.bell:
		case <-ctx.Done():
			l.alone(0)
			l.wakeAll()
			return
		}
	}
}

// wakeAll sends everybody who waits back to this server's own meter.
func (l *Limiter) wakeAll() {
	for batch := l.desk.next(); len(batch) > 0; batch = l.desk.next() {
		wake(batch)
	}
}

// wake tells who waits that there is an answer.
func wake(batch []wish) {
	for _, w := range batch {
		w.n.mu.Lock()
		w.n.need = 0
		close(w.n.asked)
		w.n.asked = nil
		w.n.mu.Unlock()
	}
}

func (l *Limiter) lend(ctx context.Context, batch []wish) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	asks := make([]Ask, len(batch))
	for i, w := range batch {
		w.n.mu.Lock()
		asks[i] = Ask{
			Account: Account{w.b.name, w.n.key.bytes()}, Terms: w.b.limit, Used: w.n.used,
			Want: min(max(w.b.chunk(), w.n.need), w.b.limit.Burst),
		}
		w.n.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(ctx, lendPatience)
	defer cancel()
	got, err := l.opts.Lender.Lend(ctx, asks)
	if err != nil {
		return err
	}
	for i, w := range batch {
		got[i].settle(asks[i], w, l.opts.Now())
	}
	return nil
}

// settle books an answer.
func (got Loan) settle(a Ask, w wish, now time.Duration) {
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	w.n.used -= a.Used
	w.n.units += got.Granted
	w.n.owed, w.n.at, w.n.until = got.Owed, now, 0
	if got.Granted < a.Want { // then a whole loan is waited for: asking for each unit would be asking for ever
		missing := got.Owed + float64(w.b.chunk()) - float64(w.b.limit.Burst)
		w.n.until = now + time.Duration(max(missing, 0)*float64(w.b.limit.Rate.Interval()))
	}
}

// Regroup tells how many servers there are and who owes something in the shared accounts. It wants to be called about twice
// a second. ok false says that the debts can't be found out, and 0 servers with it that their number can't either.
func (l *Limiter) Regroup(servers int, debts []Debt, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was, now := *l.group.Load(), l.opts.Now()
	is := group{servers: was.servers}
	if ok || servers > 0 {
		is.servers = max(servers, 1)
	}
	is.sharing = ok && is.servers > 1 && l.opts.Lender != nil && now >= l.retryAt
	l.regroup(was, is, now)
	if is.sharing {
		l.adopt(debts, now)
		return
	}
	for _, b := range l.plan.Load().buckets { // of who owes nothing here any more there is nothing to hand back
		b.loans.close(func(n *loan) bool { return n.asked == nil && b.meter.Read(n.key, now).Owed() == 0 })
	}
}

// alone stops sharing for a while.
func (l *Limiter) alone(pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.opts.Now()
	l.retryAt = now + pause
	was := *l.group.Load()
	l.regroup(was, group{servers: was.servers}, now)
}

// regroup changes who shares. Who stops sharing books what its clients owe in its own meters: its part of it. Who begins again
// books in the shared accounts what was had meanwhile, and no more.
func (l *Limiter) regroup(was, is group, now time.Duration) {
	if was.sharing && !is.sharing {
		l.group.Store(&is) // first: no new loans
		l.eachLoan(func(b *bucket, n *loan) { n.park(b, is.servers, now) })
	}
	if !was.sharing && is.sharing {
		l.eachLoan(func(b *bucket, n *loan) { n.unpark(b, was.servers, now) })
	}
	if was.servers != is.servers {
		l.install(l.plan.Load().policy, is.servers)
	}
	l.group.Store(&is)
}

// eachLoan calls f with every loan, locked.
func (l *Limiter) eachLoan(f func(b *bucket, n *loan)) {
	for _, b := range l.plan.Load().buckets {
		b.loans.close(func(n *loan) bool {
			f(b, n)
			return false
		})
	}
}

// park hands what a client owes to this server's own meter, which has to do with its part of the limit.
func (n *loan) park(b *bucket, servers int, now time.Duration) {
	owed := n.estimate(b, now)
	n.owed, n.at, n.units = max(owed-float64(n.used), 0), now, 0
	n.parked = int64(math.Ceil(owed / float64(servers)))
	b.meter.Set(n.key, n.parked, now)
}

// unpark takes back from the meter what the client had since it was parked.
func (n *loan) unpark(b *bucket, servers int, now time.Duration) {
	left := float64(n.parked) - float64(now-n.at)/float64(b.limit.part(servers).Rate.Interval())
	n.used += max(b.meter.Read(n.key, now).Owed()-int64(math.Ceil(max(left, 0))), 0)
	n.until, n.parked = 0, 0
	b.meter.Set(n.key, 0, now)
}

// adopt opens a loan for everybody who owes something in the shared accounts, and closes those of who doesn't.
func (l *Limiter) adopt(debts []Debt, now time.Duration) {
	p := l.plan.Load()
	owing := make(map[Account]bool, len(debts))
	for _, d := range debts {
		owing[d.Account] = true
		if b, k := p.buckets[d.Limit], keyOf(d.Client); b != nil && b.loans.get(k) == nil {
			if n := b.open(k, now); n != nil {
				n.mu.Lock()
				n.owed, n.at = d.Owed, now
				n.mu.Unlock()
			}
		}
	}
	for _, b := range p.buckets {
		b.loans.close(func(n *loan) bool {
			return n.asked == nil && now-n.last > loanIdle && !owing[Account{b.name, n.key.bytes()}]
		})
	}
}
