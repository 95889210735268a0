package limits

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"sync"
	"time"
)

// Key is who is measured: an address, an account, or nobody in particular.
type Key struct{ hi, lo uint64 }

// AddressKey is the key of an address: all of IPv4, the first 64 bits of IPv6, because that is what one subscriber has.
func AddressKey(a netip.Addr) Key {
	b := a.As16()
	k := Key{be64(b[:8]), be64(b[8:])}
	if a.Is6() && !a.Is4In6() {
		k.lo = 0
	}
	return k
}

// AccountKey is the key of an account.
func AccountKey(id int64) Key { return Key{1, uint64(id)} }

func be64(b []byte) (v uint64) {
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

const (
	ways      = 8 // clients that share a set: 128 bytes, two cache lines
	maxShards = 64
	// maxBacklog bounds what a client can owe when a rate is made much slower.
	maxBacklog = int64(30 * day)
)

// Meter measures every client of one limit with GCRA, the generic cell rate algorithm: a client is one number, the time at
// which it will owe nothing any more.
//
// Clients live in a table of fixed size: sets of 8, chosen by a hash with a secret seed. A client that owes nothing is no
// different from one that is not in the table, so its place is free. When a set is full of debtors, the one who owes least
// leaves: a flood of new clients, each owing one request, displaces others like themselves and never a client at its limit.
// Somebody who wants to be forgotten has to bring 8 clients into a set that they can't name, each deeper in debt.
type Meter struct {
	seed   maphash.Seed
	mask   uint64 // of sets
	shards []shard
}

// shard is some of the sets with their lock. The rate stands in each, so changing it never mixes two.
type shard struct {
	mu       sync.Mutex
	interval int64 // ns a unit
	depth    int64 // ns; the largest backlog that is admitted
	evicted  uint64
	sets     [][ways]slot
	_        [64]byte // no two locks on one cache line
}

type slot struct {
	id  uint64 // hash of the key; two clients share one with a chance of 2^-64
	tat int64  // theoretical arrival time, ns: when the client will owe nothing; the past means a free slot
}

// NewMeter returns a Meter of a limit that remembers at least clients debtors, in 16 bytes each.
func NewMeter(l Limit, clients int) *Meter {
	sets := 1
	for sets*ways < clients {
		sets *= 2
	}
	shards := min(sets, maxShards)
	m := &Meter{seed: maphash.MakeSeed(), mask: uint64(sets - 1), shards: make([]shard, shards)}
	for i := range m.shards {
		s := &m.shards[i]
		s.interval, s.depth = int64(l.Rate.Interval()), int64(l.depth())
		s.sets = make([][ways]slot, sets/shards)
	}
	return m
}

// Reading is what a Meter says of a client.
type Reading struct {
	OK       bool
	interval int64
	depth    int64
	backlog  int64 // ns, after the decision
	cost     int64
}

// Left is how many units the client has now.
func (r Reading) Left() int64 { return max(r.depth-r.backlog, 0) / r.interval }

// Wait is how long the client has to be quiet until what was asked for is admitted.
func (r Reading) Wait() time.Duration {
	if r.OK {
		return 0
	}
	return time.Duration(max(r.backlog+r.cost*r.interval-r.depth, 0))
}

// Reset is how long the client has to be quiet until it owes nothing.
func (r Reading) Reset() time.Duration { return time.Duration(r.backlog) }

// place returns the shard and the set of a key.
func (m *Meter) place(k Key) (*shard, *[ways]slot, uint64) {
	h := maphash.Comparable(m.seed, k)
	set := h & m.mask
	s := &m.shards[set%uint64(len(m.shards))]
	return s, &s.sets[set/uint64(len(m.shards))], h
}

// Take admits cost units of a client at now, or refuses them and changes nothing.
func (m *Meter) Take(k Key, cost int64, now time.Duration) Reading {
	return m.TakeWithin(k, cost, now, math.MaxInt64)
}

// TakeWithin is Take for a client that may use a part of its burst only: what takes depth to come back.
func (m *Meter) TakeWithin(k Key, cost int64, now, depth time.Duration) Reading {
	s, set, id := m.place(k)
	s.mu.Lock()
	at := int64(now)
	i, found := find(set, id)
	r := Reading{interval: s.interval, depth: min(s.depth, int64(depth)), cost: cost}
	if found {
		r.backlog = max(set[i].tat-at, 0)
	}
	if next := r.backlog + cost*s.interval; next <= r.depth {
		if !found && set[i].tat > at {
			s.evicted++
		}
		r.OK, r.backlog = true, next
		set[i] = slot{id, at + next}
	}
	s.mu.Unlock()
	return r
}

// find returns the slot of a client, or else the one that it would take: a free one, or that of who owes least.
func find(set *[ways]slot, id uint64) (i int, found bool) {
	least := 0
	for i := range set {
		if set[i].id == id {
			return i, true
		}
		if set[i].tat < set[least].tat {
			least = i
		}
	}
	return least, false
}

// Give returns cost units that were taken and not used.
func (m *Meter) Give(k Key, cost int64, now time.Duration) {
	s, set, id := m.place(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := find(set, id); found {
		set[i].tat -= min(cost*s.interval, max(set[i].tat-int64(now), 0))
	}
}

// Set makes a client owe units, whatever it owed before.
func (m *Meter) Set(k Key, units int64, now time.Duration) {
	s, set, id := m.place(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := find(set, id)
	set[i] = slot{id, int64(now) + min(units*s.interval, maxBacklog)}
}

// Read says what a client owes.
func (m *Meter) Read(k Key, now time.Duration) Reading {
	s, set, id := m.place(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Reading{OK: true, interval: s.interval, depth: s.depth}
	if i, found := find(set, id); found {
		r.backlog = max(set[i].tat-int64(now), 0)
	}
	return r
}

// Owed is the units that a reading's client owes, part of a unit counting as one.
func (r Reading) Owed() int64 { return (r.backlog + r.interval - 1) / r.interval }

// Change makes l the limit. What a client owes stays the same number of units.
func (m *Meter) Change(l Limit, now time.Duration) {
	interval, at := int64(l.Rate.Interval()), int64(now)
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for j := range s.sets {
			for k := range s.sets[j] {
				if e := &s.sets[j][k]; e.tat > at && interval != s.interval {
					e.tat = at + scale(e.tat-at, interval, s.interval)
				}
			}
		}
		s.interval, s.depth = interval, int64(l.depth())
		s.mu.Unlock()
	}
}

// scale returns backlog x to / from, rounded up.
func scale(backlog, to, from int64) int64 {
	hi, lo := bits.Mul64(uint64(backlog), uint64(to))
	lo, carry := bits.Add64(lo, uint64(from-1), 0)
	hi += carry
	if hi >= uint64(from) {
		return maxBacklog
	}
	q, _ := bits.Div64(hi, lo, uint64(from))
	return int64(min(q, uint64(maxBacklog)))
}

// Evicted is how many debtors had to leave for others.
func (m *Meter) Evicted() (n uint64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.evicted
		s.mu.Unlock()
	}
	return n
}

// Debtors counts the clients that owe something. It walks the whole table.
func (m *Meter) Debtors(now time.Duration) (n int) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for j := range s.sets {
			for _, e := range s.sets[j] {
				if e.tat > int64(now) {
					n++
				}
			}
		}
		s.mu.Unlock()
	}
	return n
}
