package limits

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// defaultClients is how many debtors each limit remembers: 512 KiB. A client is a debtor for as long as its burst takes to
// come back, which is seconds for most limits.
const defaultClients = 1 << 15

// Options shapes a Limiter.
type Options struct {
	Now     func() time.Duration // time since any moment, never backwards
	Clients int                  // that each limit remembers; 0 is 32,768
	Lender  Lender               // where servers share; nil: this one is alone
}

// Limiter decides about requests by a policy. Apply changes the policy while it decides, and what clients owe stays.
type Limiter struct {
	opts  Options
	plan  atomic.Pointer[plan]
	group atomic.Pointer[group]
	desk  desk

	mu      sync.Mutex // of what changes the plan or the group
	retryAt time.Duration
}

// plan is a policy made ready for decisions.
type plan struct {
	policy        Policy
	rules         map[string]*rule
	reads, writes *rule
	buckets       map[string]*bucket
}

// rule is what holds for one operation.
type rule struct {
	class   string
	mode    Mode
	percent uint32
	cost    int64
	client  [kinds]*bucket
	global  *bucket
}

// bucket is one limit in force, for every client that it is about.
type bucket struct {
	name   string // class/kind
	head   string // its item of the RateLimit-Policy header
	limit  Limit
	untold time.Duration // the part of the burst, as time, that a server gives without asking when it shares
	meter  *Meter        // of this server's part of the limit
	loans  *loans
}

// New returns a Limiter of a valid policy.
func New(p Policy, o Options) *Limiter {
	if o.Clients == 0 {
		o.Clients = defaultClients
	}
	l := &Limiter{opts: o, desk: desk{bell: make(chan struct{}, 1)}}
	l.group.Store(&group{servers: 1})
	l.plan.Store(&plan{})
	l.Apply(p)
	return l
}

// Policy returns what is in force.
func (l *Limiter) Policy() Policy { return l.plan.Load().policy }

// Apply puts a valid policy into force. Limits that are there before and after keep what every client owes, in units.
func (l *Limiter) Apply(p Policy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.install(p, l.group.Load().servers)
}

// install makes the plan for a number of servers.
func (l *Limiter) install(p Policy, servers int) {
	old := l.plan.Load()
	next := &plan{policy: p, rules: map[string]*rule{}, buckets: map[string]*bucket{}}
	for name, c := range p.Classes {
		for kind, limit := range c.metered() {
			b := l.bucket(old.buckets[name+"/"+kind], name, kind, *limit, servers)
			next.buckets[b.name] = b
		}
	}
	for name, o := range p.Operations {
		next.rules[name] = next.rule(o)
	}
	next.reads, next.writes = next.rule(Operation{Class: p.Reads}), next.rule(Operation{Class: p.Writes})
	l.plan.Store(next)
}

// bucket returns the bucket of a limit, with the meter that it had before.
func (l *Limiter) bucket(was *bucket, class, kind string, limit Limit, servers int) *bucket {
	b := &bucket{name: class + "/" + kind, limit: limit, head: announcement(class, limit)}
	part := limit.part(servers)
	b.untold = time.Duration(limit.Burst/int64(untoldShare*servers)) * part.Rate.Interval()
	if was != nil {
		b.meter, b.loans = was.meter, was.loans
		b.meter.Change(part, l.opts.Now())
		b.loans.hurry()
		return b
	}
	clients := l.opts.Clients
	if kind == "global" {
		clients = 1
	}
	b.meter, b.loans = NewMeter(part, clients), &loans{of: map[Key]*loan{}}
	return b
}

// part is what one of several servers may give of a limit.
func (l Limit) part(servers int) Limit {
	n := int64(servers)
	l.Rate.Per *= time.Duration(n)
	l.Burst = (l.Burst + n - 1) / n
	return l
}

func (p *plan) rule(o Operation) *rule {
	c := p.policy.Classes[o.Class]
	r := &rule{class: o.Class, mode: p.policy.Mode, percent: uint32(p.policy.Percent), cost: o.units()}
	if c.Mode != "" {
		r.mode = r.mode.Weaker(c.Mode)
	}
	if o.Class == Exempt {
		r.mode = Off
	}
	for k := range kinds {
		r.client[k] = p.buckets[o.Class+"/"+k.String()]
	}
	if r.client[Moderator] == nil {
		r.client[Moderator] = r.client[User]
	}
	r.global = p.buckets[o.Class+"/global"]
	return r
}

// announcement is the item of the RateLimit-Policy header: q units in any w seconds. w is whole seconds, so a burst that
// comes back faster is announced by what a second brings.
func announcement(class string, l Limit) string {
	perSecond := float64(l.Rate.Count) / l.Rate.Per.Seconds()
	w := math.Ceil(float64(l.Burst)/perSecond - 1e-9)
	q := max(l.Burst, int64(perSecond*w))
	if w > 1 {
		q = l.Burst
	}
	return fmt.Sprintf(`"%s";q=%d;w=%d`, class, q, int64(max(w, 1)))
}

// Request is what a decision is about.
type Request struct {
	Operation string
	Reads     bool // it changes nothing
	Kind      Kind
	Client    Key
}

// Decision is what a Limiter says about a request.
type Decision struct {
	Reading
	Class    string
	Limited  bool   // some limit holds for the request
	Refused  bool   // it is beyond a limit
	Enforced bool   // a limit that refuses is obeyed; else it is in shadow
	Global   bool   // the limit is the one of all clients together
	Policy   string // its item of the RateLimit-Policy header
}

// Decide admits a request and books its cost, or refuses it and books nothing. Alone it takes no longer than its locks; where
// servers share it may wait for a loan, for lendPatience at most.
func (l *Limiter) Decide(ctx context.Context, q Request) Decision {
	p := l.plan.Load()
	r := p.rules[q.Operation]
	switch {
	case r != nil:
	case q.Reads:
		r = p.reads
	default:
		r = p.writes
	}
	d := Decision{Class: r.class}
	d.OK = true
	client := r.client[q.Kind]
	if r.mode == Off || client == nil && r.global == nil {
		return d
	}
	d.Limited, d.Enforced = true, r.enforces(q.Client)
	now := l.opts.Now()
	if client != nil {
		d.by(client, l.take(ctx, client, q.Client, r.cost, now))
	}
	if r.global != nil && !d.Refused {
		all := l.take(ctx, r.global, Key{}, r.cost, now)
		if client == nil || !all.OK {
			d.by(r.global, all)
			d.Global = true
		}
		if !all.OK && client != nil {
			l.give(client, q.Client, r.cost, now)
		}
	}
	return d
}

func (d *Decision) by(b *bucket, r Reading) {
	d.Reading, d.Refused, d.Policy = r, !r.OK, b.head
}

// Attempts returns the limit on attempts at one account that an operation has, nil without one, and whether it is enforced
// for a client.
func (l *Limiter) Attempts(operation string, client Key) (limit *Limit, enforced bool) {
	p := l.plan.Load()
	r := p.rules[operation]
	if r == nil || r.mode == Off {
		return nil, false
	}
	return p.policy.Classes[r.class].Account, r.enforces(client)
}

func (r *rule) enforces(client Key) bool {
	return r.mode == Enforce && (r.percent >= 100 || sticky(client) < r.percent)
}

// sticky returns a number below 100 that is the same for a client on every server and at every time.
func sticky(k Key) uint32 {
	h := fnv.New32a()
	id := k.bytes()
	_, _ = h.Write(id[:])
	return h.Sum32() % 100
}

func (k Key) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	return b
}

// Text returns the key as text.
func (k Key) Text() string {
	b := k.bytes()
	return hex.EncodeToString(b[:])
}

func keyOf(b [16]byte) Key { return Key{be64(b[:8]), be64(b[8:])} }

// Stats is a moment of a Limiter.
type Stats struct {
	Debtors int    // clients that owe something here
	Evicted uint64 // debtors that left for others since the start
	Loans   int    // clients whose limit is shared with other servers right now
	Servers int    // that share
	Local   bool   // servers can't share right now; each holds to its part
}

// Stats walks the whole table: some milliseconds for millions of clients.
func (l *Limiter) Stats() Stats {
	g := l.group.Load()
	s := Stats{Servers: g.servers, Local: g.servers > 1 && !g.sharing}
	now := l.opts.Now()
	for _, b := range l.plan.Load().buckets {
		s.Debtors += b.meter.Debtors(now)
		s.Evicted += b.meter.Evicted()
		s.Loans += int(b.loans.count.Load())
	}
	return s
}
