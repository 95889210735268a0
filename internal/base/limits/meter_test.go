package limits

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func limit(t testing.TB, rate string, burst int64) Limit {
	t.Helper()
	r, err := ParseRate(rate)
	if err != nil {
		t.Fatal(err)
	}
	return Limit{r, burst}
}

// oracle is a token bucket in exact fractions, one a client: what a Meter must agree with, and much slower.
type oracle struct {
	limit  Limit
	tokens map[Key]*big.Rat
	at     map[Key]time.Duration
}

func newOracle(l Limit) *oracle {
	return &oracle{l, map[Key]*big.Rat{}, map[Key]time.Duration{}}
}

func (o *oracle) level(k Key, now time.Duration) *big.Rat {
	full := new(big.Rat).SetInt64(o.limit.Burst)
	t, ok := o.tokens[k]
	if !ok {
		t = full
	}
	gained := big.NewRat(int64(now-o.at[k]), int64(o.limit.Rate.Interval()))
	t = new(big.Rat).Add(t, gained)
	if t.Cmp(full) > 0 {
		t = full
	}
	o.tokens[k], o.at[k] = t, now
	return t
}

func (o *oracle) take(k Key, cost int64, now time.Duration) (ok bool, left *big.Rat) {
	t := o.level(k, now)
	after := new(big.Rat).Sub(t, new(big.Rat).SetInt64(cost))
	if after.Sign() < 0 {
		return false, t
	}
	o.tokens[k] = after
	return true, after
}

func whole(r *big.Rat) int64 { return new(big.Int).Quo(r.Num(), r.Denom()).Int64() }

// Every decision, and what is left after it, is the oracle's: for any limit, cost, client and pace.
func TestMeterAgreesWithTheOracle(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		l := Limit{Rate{1 + rng.Int64N(5000), []time.Duration{time.Second, time.Minute, 15 * time.Minute, day}[rng.IntN(4)]}, 1 + rng.Int64N(50)}
		if l.check() != nil {
			t.Fatalf("%s: %v", l, l.check())
		}
		m, o := NewMeter(l, 1024), newOracle(l)
		now := time.Hour
		for step := range 300 {
			now += time.Duration(rng.Int64N(int64(l.Rate.Interval())*3/2 + 1))
			k := AccountKey(rng.Int64N(5))
			cost := 1 + rng.Int64N(min(l.Burst, 4))
			got := m.Take(k, cost, now)
			want, left := o.take(k, cost, now)
			if got.OK != want || got.Left() != whole(left) {
				t.Fatalf("seed %d step %d, %s: %v with %d left, want %v with %s", seed, step, l, got.OK, got.Left(), want, left)
			}
			if !got.OK {
				if at := now + got.Wait(); !peek(o, k, cost, at) || peek(o, k, cost, at-1) {
					t.Fatalf("seed %d step %d, %s: a wait of %s is not the shortest", seed, step, l, got.Wait())
				}
			}
			if full := now + got.Reset(); o.levelAt(k, full).Cmp(new(big.Rat).SetInt64(l.Burst)) != 0 {
				t.Fatalf("seed %d step %d, %s: not full after %s", seed, step, l, got.Reset())
			}
		}
	}
}

// levelAt is level without moving on.
func (o *oracle) levelAt(k Key, now time.Duration) *big.Rat {
	c := &oracle{o.limit, map[Key]*big.Rat{k: o.tokens[k]}, map[Key]time.Duration{k: o.at[k]}}
	return c.level(k, now)
}

func peek(o *oracle, k Key, cost int64, now time.Duration) bool {
	return o.levelAt(k, now).Cmp(new(big.Rat).SetInt64(cost)) >= 0
}

// A client that sends without a pause gets burst + rate x time, to the unit.
func TestMeterIsExactUnderLoad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate  string
		burst int64
	}{{"50/s", 100}, {"5/15m", 5}, {"1000/s", 1}, {"7/m", 3}} {
		l := limit(t, c.rate, c.burst)
		m := NewMeter(l, 8)
		start, span := time.Hour, 40*l.Rate.Interval()
		admitted := int64(0)
		for now := start; now <= start+span; now += l.Rate.Interval() / 10 {
			if m.Take(AccountKey(1), 1, now).OK {
				admitted++
			}
		}
		if want := c.burst + 40; admitted != want && l.Rate.Interval()%10 == 0 || admitted > want {
			t.Errorf("%s: %d admitted, want %d", l, admitted, want)
		}
	}
}

// Many goroutines on one client share one budget: nothing is admitted twice, nothing is lost.
func TestMeterInParallel(t *testing.T) {
	t.Parallel()
	l := limit(t, "1/m", 1000)
	m := NewMeter(l, 1024)
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if m.Take(AccountKey(1), 1, time.Hour).OK {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 1000 {
		t.Errorf("%d admitted of a burst of 1000", admitted.Load())
	}
}

// A flood of a million addresses, far more than the table holds, makes no offender be forgotten. The clients at their limit
// fill a quarter of the table here.
func TestFloodForgetsNoOffender(t *testing.T) {
	t.Parallel()
	const clients, offenders = 4096, 512
	l := limit(t, "1/m", 10)
	m := NewMeter(l, clients)
	now := time.Hour
	for i := range int64(offenders) {
		for range l.Burst {
			m.Take(AccountKey(i), 1, now)
		}
	}
	for i := range uint64(1_000_000) {
		now += time.Microsecond
		m.Take(Key{0x2001_0db8_0000_0000 + i, 0}, 1, now)
	}
	forgotten := 0
	for i := range int64(offenders) {
		if m.Take(AccountKey(i), 1, now).OK {
			forgotten++
		}
	}
	if forgotten > 0 {
		t.Errorf("%d of %d clients at their limit were admitted after the flood", forgotten, offenders)
	}
	if m.Evicted() == 0 || m.Debtors(now) > clients {
		t.Errorf("%d evicted, %d debtors in a table of %d", m.Evicted(), m.Debtors(now), clients)
	}
}

// A changed rate keeps what everybody owes, in units; a refund takes off its own.
func TestChangeKeepsDebts(t *testing.T) {
	t.Parallel()
	m := NewMeter(limit(t, "10/s", 20), 64)
	now := time.Hour
	k := AccountKey(1)
	m.Take(k, 15, now)
	for _, c := range []struct {
		rate  string
		burst int64
		left  int64
	}{{"1/m", 20, 5}, {"1000/s", 16, 1}, {"3/15m", 10, 0}, {"10/s", 40, 25}} {
		m.Change(limit(t, c.rate, c.burst), now)
		if r := m.Read(k, now); r.Left() != c.left || r.Owed() != 15 {
			t.Errorf("at %s burst %d: %d left, %d owed; want %d and 15", c.rate, c.burst, r.Left(), r.Owed(), c.left)
		}
	}
	m.Give(k, 5, now)
	if r := m.Read(k, now); r.Owed() != 10 || r.Left() != 30 {
		t.Errorf("%d owed, %d left after 5 were given back; want 10 and 30", r.Owed(), r.Left())
	}
	if r := m.TakeWithin(k, 1, now, 10*100*time.Millisecond); r.OK || r.Left() != 0 {
		t.Errorf("beyond its part of the burst: %+v", r)
	}
	m.Set(k, 50, now)
	if r := m.Read(k, now); r.Owed() != 50 || r.Left() != 0 {
		t.Errorf("%d owed, %d left; want 50 and 0", r.Owed(), r.Left())
	}
	m.Give(k, 100, now)
	m.Give(AccountKey(2), 1, now)
	if r := m.Read(k, now); r.Owed() != 0 || m.Debtors(now) != 0 {
		t.Errorf("%d owed after giving back everything", r.Owed())
	}
	m.Take(k, 40, now)
	m.Change(Limit{Rate{1, maxPeriod}, 1}, now)
	if r := m.Read(k, now); r.Reset() != time.Duration(maxBacklog) {
		t.Errorf("a debt of 40 weeks is %s, want it bounded", r.Reset())
	}
}

// IPv4 counts address by address, however it is written; IPv6 by the first 64 bits.
func TestAddressKeys(t *testing.T) {
	t.Parallel()
	key := func(s string) Key { return AddressKey(netip.MustParseAddr(s)) }
	for _, same := range [][2]string{{"192.0.2.1", "::ffff:192.0.2.1"}, {"2001:db8::1", "2001:db8::ffff:1"}, {"fe80::1%eth0", "fe80::2"}} {
		if key(same[0]) != key(same[1]) {
			t.Errorf("%s and %s are two clients", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8:0:1::1"}, {"0.0.0.0", "::"}} {
		if key(other[0]) == key(other[1]) {
			t.Errorf("%s and %s are one client", other[0], other[1])
		}
	}
}
