package limits

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// bank is a Lender in memory, on the clock of the test.
type bank struct {
	mu       sync.Mutex
	clock    func() time.Duration
	accounts map[Account]*account
	calls    int
	broken   bool
}

type account struct {
	owed  float64
	at    time.Duration
	terms Limit
}

func (b *bank) level(a *account) float64 {
	now := b.clock()
	a.owed = max(a.owed-float64(now-a.at)/float64(a.terms.Rate.Interval()), 0)
	a.at = now
	return a.owed
}

// Lend implements Lender.
func (b *bank) Lend(_ context.Context, asks []Ask) ([]Loan, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.broken {
		return nil, errors.New("the bank is closed")
	}
	out := make([]Loan, len(asks))
	for i, q := range asks {
		a := b.accounts[q.Account]
		if a == nil {
			a = &account{at: b.clock()}
			b.accounts[q.Account] = a
		}
		a.terms = q.Terms
		owed := b.level(a) + float64(q.Used)
		granted := min(q.Want, max(int64(math.Floor(float64(q.Terms.Burst)-owed)), 0))
		a.owed = owed + float64(granted)
		out[i] = Loan{granted, a.owed}
	}
	return out, nil
}

func (b *bank) debts() []Debt {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Debt
	for name, a := range b.accounts {
		if owed := b.level(a); owed > 0 {
			out = append(out, Debt{name, owed})
		}
	}
	return out
}

// fleet is several servers on one bank and one clock.
type fleet struct {
	mu      sync.Mutex
	now     time.Duration
	bank    *bank
	servers []*Limiter
	polled  time.Duration
}

func newFleet(t *testing.T, n int, p Policy) *fleet {
	t.Helper()
	f := &fleet{now: time.Hour}
	f.bank = &bank{clock: f.read, accounts: map[Account]*account{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range n {
		l := New(p, Options{Now: f.read, Clients: 1024, Lender: f.bank})
		f.servers = append(f.servers, l)
		wg.Go(func() { l.Borrow(ctx, func(error) {}) })
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	f.poll()
	return f
}

func (f *fleet) read() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// poll does what each server does twice a second.
func (f *fleet) poll() {
	debts := f.bank.debts()
	for _, l := range f.servers {
		l.Regroup(len(f.servers), debts, true)
	}
	f.polled = f.read()
}

// advance moves the clock, and polls when it is time.
func (f *fleet) advance(d time.Duration) {
	f.mu.Lock()
	f.now += d
	f.mu.Unlock()
	if f.read()-f.polled >= 500*time.Millisecond {
		f.poll()
	}
}

// Three servers admit of one client together what one alone would: burst + rate x time, and at most 5 % more, whether its
// requests go round, to one server, or unevenly; and they let it have what it may.
func TestThreeServersShareOneLimit(t *testing.T) {
	t.Parallel()
	limit := Limit{Rate{50, time.Second}, 100}
	const span = 20 * time.Second
	for name, pick := range map[string]func(rng *rand.Rand, i int) int{
		"round":    func(_ *rand.Rand, i int) int { return i % 3 },
		"one":      func(*rand.Rand, int) int { return 0 },
		"uneven":   func(rng *rand.Rand, _ int) int { return []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 2}[rng.IntN(10)] },
		"in turns": func(_ *rand.Rand, i int) int { return i / 700 % 3 },
	} {
		for _, factor := range []float64{1.1, 2, 10} {
			f := newFleet(t, 3, onePolicy(t, &limit, nil))
			rng := rand.New(rand.NewPCG(3, 4))
			admitted := int64(0)
			start := f.read()
			for i := 0; f.read()-start < span; i++ {
				if !ask(f.servers[pick(rng, i)], 1).Refused {
					admitted++
				}
				f.advance(time.Duration(rng.ExpFloat64() / (50 * factor) * float64(time.Second)))
			}
			paid := 50 * int64(span/time.Second)
			t.Logf("%s at %.1f x: %d admitted of %d + %d, %d calls of the lender", name, factor, admitted, paid, limit.Burst, f.bank.calls)
			if most := limit.Burst + paid*105/100; admitted > most {
				t.Errorf("%s at %.1f x: %d admitted, more than %d", name, factor, admitted, most)
			}
			if least := min(paid*95/100, int64(float64(paid)*factor)); admitted < least {
				t.Errorf("%s at %.1f x: only %d admitted, less than %d", name, factor, admitted, least)
			}
			if perSecond := f.bank.calls / int(span/time.Second); perSecond > 3*12 {
				t.Errorf("%s at %.1f x: %d calls a second for one client", name, factor, perSecond)
			}
		}
	}
}

// A client that keeps below what each server gives without asking on two of them while it borrows on the third gets no more
// for it: the others learn that it owes.
func TestNothingIsHadTwice(t *testing.T) {
	t.Parallel()
	limit := Limit{Rate{30, time.Second}, 90}
	f := newFleet(t, 3, onePolicy(t, &limit, nil))
	admitted, start := int64(0), f.read()
	const span = 30 * time.Second
	for i := 0; f.read()-start < span; i++ {
		for _, s := range []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2} { // 300/s to the first, 30/s to each other: their third is 10/s
			if !ask(f.servers[s], 1).Refused {
				admitted++
			}
		}
		f.advance(time.Second / 30)
	}
	if most := limit.Burst + 30*int64(span/time.Second)*105/100; admitted > most {
		t.Errorf("%d admitted, more than %d", admitted, most)
	}
}

// Clients who stay far below their limit never make a server ask.
func TestQuietClientsAskNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, onePolicy(t, &Limit{Rate{30, time.Second}, 96}, nil))
	for i := range int64(3000) {
		if d := ask(f.servers[i%3], i%300); d.Refused {
			t.Fatalf("request %d refused: %+v", i, d)
		}
		f.advance(10 * time.Millisecond)
	}
	if f.bank.calls != 0 {
		t.Errorf("%d calls of the lender", f.bank.calls)
	}
}

// Without the lender each server holds a client to its part, and what was borrowed stays owed; afterwards they share again.
func TestLenderAway(t *testing.T) {
	t.Parallel()
	limit := Limit{Rate{30, time.Second}, 90}
	f := newFleet(t, 3, onePolicy(t, &limit, nil))
	use := func() (n int64) {
		for i := range 900 {
			if !ask(f.servers[i%3], 1).Refused {
				n++
			}
		}
		return n
	}
	if got := use(); got < 85 || got > 90+90/untoldShare {
		t.Fatalf("%d admitted of a burst of 90", got)
	}
	f.bank.mu.Lock()
	f.bank.broken = true
	f.bank.mu.Unlock()
	f.advance(time.Second)
	got := use() // somebody asks, hears nothing and goes on alone
	for _, l := range f.servers {
		l.Regroup(0, nil, false)
		if s := l.Stats(); !s.Local || s.Servers != 3 {
			t.Errorf("without a lender: %+v", s)
		}
	}
	got += use()
	if got < 20 || got > 45 {
		t.Errorf("%d admitted in the second after a burst was used up, want about 30", got)
	}
	f.bank.mu.Lock()
	f.bank.broken = false
	f.bank.mu.Unlock()
	f.advance(3 * time.Second)
	if s := f.servers[0].Stats(); s.Local || s.Servers != 3 {
		t.Errorf("with a lender again: %+v", s)
	}
	if got := use(); got > 90+3+90/untoldShare {
		t.Errorf("%d admitted after three more seconds", got)
	}
}

// What a client owes is booked once, however often the lender comes and goes; what it had meanwhile is booked too.
func TestDebtsAreBookedOnce(t *testing.T) {
	t.Parallel()
	limit := Limit{Rate{1, time.Minute}, 90}
	f := newFleet(t, 3, onePolicy(t, &limit, nil))
	use := func(most int) (n int) {
		for i := 0; n < most && i < 300; i++ {
			if !ask(f.servers[i%3], 1).Refused {
				n++
			}
		}
		return n
	}
	first := use(60)
	for range 4 { // four outages, in each of which it takes three units
		for _, l := range f.servers {
			l.Regroup(0, nil, false)
		}
		if got := use(3); got != 3 {
			t.Fatalf("%d admitted without the lender", got)
		}
		f.poll()
	}
	rest := use(90)
	if all := first + 4*3 + rest; all < 85 || all > 90+90/untoldShare {
		t.Errorf("%d + 12 + %d admitted of a burst of 90", first, rest)
	}
	for _, d := range f.bank.debts() {
		if d.Owed < 80 || d.Owed > 105 {
			t.Errorf("%.0f units are booked of the 90 that it had", d.Owed)
		}
	}
}

// A server that was alone has the others know what its clients owe; one that is alone again knows it itself.
func TestServersComeAndGo(t *testing.T) {
	t.Parallel()
	limit := Limit{Rate{1, time.Minute}, 90}
	f := newFleet(t, 3, onePolicy(t, &limit, nil))
	for _, l := range f.servers {
		l.Regroup(1, nil, true)
	}
	for range 60 {
		ask(f.servers[0], 1)
	}
	f.poll()
	admitted := 0
	for i := range 90 {
		if !ask(f.servers[i%2], 1).Refused {
			admitted++
		}
	}
	if most := 30 + 90/untoldShare; admitted > most || admitted < 28 {
		t.Errorf("%d admitted of the 30 that were left", admitted)
	}
	f.servers[0].Regroup(1, nil, true)
	if d := ask(f.servers[0], 1); !d.Refused {
		t.Errorf("alone again, everything is forgotten: %+v, %d left", d, d.Left())
	}
}

// A burst that comes at once, from many requests in parallel, is admitted as far as it goes and not further.
func TestBurstInParallel(t *testing.T) {
	t.Parallel()
	limit := Limit{Rate{1, time.Hour}, 200}
	f := newFleet(t, 3, onePolicy(t, &limit, nil))
	var mu sync.Mutex
	admitted := 0
	var wg sync.WaitGroup
	for i := range 600 {
		wg.Go(func() {
			if !ask(f.servers[i%3], 1).Refused {
				mu.Lock()
				admitted++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if admitted > 200+200/untoldShare || admitted < 195 {
		t.Errorf("%d admitted of a burst of 200", admitted)
	}
}

// A request whose client leaves while the lender is asked waits for nobody, and a server that stops lets everybody go.
func TestNobodyWaitsForTheLender(t *testing.T) {
	t.Parallel()
	p := onePolicy(t, &Limit{Rate{1, time.Hour}, 5}, nil)
	l := New(p, Options{Now: func() time.Duration { return time.Hour }, Lender: &bank{clock: func() time.Duration { return time.Hour }, accounts: map[Account]*account{}}}) // and nobody calls Borrow
	l.Regroup(3, nil, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d := l.Decide(ctx, Request{Operation: "any", Reads: true}); !d.Refused {
		t.Errorf("%+v", d)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	got := make(chan Decision)
	go func() { got <- l.Decide(context.Background(), Request{Operation: "any", Reads: true}) }()
	l.Borrow(stopped, func(err error) { t.Error(err) })
	<-got
	if s := l.Stats(); !s.Local {
		t.Errorf("a server that stopped still shares: %+v", s)
	}
}

// A server that knows of others but not what clients owe, as one that starts while the lender is away, holds to its part.
func TestDebtsUnknown(t *testing.T) {
	t.Parallel()
	l := newFleet(t, 1, onePolicy(t, &Limit{Rate{1, time.Hour}, 90}, nil)).servers[0]
	l.Regroup(3, nil, false)
	if s := l.Stats(); !s.Local || s.Servers != 3 {
		t.Errorf("%+v", s)
	}
	admitted := 0
	for range 90 {
		if !ask(l, 1).Refused {
			admitted++
		}
	}
	if admitted != 30 {
		t.Errorf("%d admitted, want a third of 90", admitted)
	}
}
