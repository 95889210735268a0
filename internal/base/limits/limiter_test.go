package limits

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct{ now time.Duration }

func (c *clock) read() time.Duration { return c.now }

func newLimiter(t testing.TB, p Policy) (*Limiter, *clock) {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	c := &clock{now: time.Hour}
	return New(p, Options{Now: c.read}), c
}

func onePolicy(t testing.TB, anonymous, global *Limit) Policy {
	t.Helper()
	return Policy{Mode: Enforce, Percent: 100, Reads: "read", Writes: "read", Classes: map[string]Class{"read": {Anonymous: anonymous, Global: global}}}
}

func ask(l *Limiter, client int64) Decision {
	return l.Decide(context.Background(), Request{Operation: "any", Reads: true, Client: AccountKey(client)})
}

// Which limit holds: by operation, or by what it does when nobody named it; by the kind of client; and how much it costs.
func TestRules(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, example())
	for _, c := range []struct {
		q       Request
		class   string
		limited bool
		left    int64
		policy  string
	}{
		{Request{Operation: "getPost", Reads: true}, "read", true, 99, `"read";q=100;w=5`},
		{Request{Operation: "getPost", Reads: true, Kind: User}, "read", true, 199, `"read";q=200;w=4`},
		{Request{Operation: "getPost", Reads: true, Kind: Moderator}, "read", true, 399, `"read";q=400;w=4`},
		{Request{Operation: "searchPeople", Reads: true, Kind: Moderator}, "read", true, 394, `"read";q=400;w=4`},
		{Request{Operation: "createPost", Kind: Moderator}, "write", true, 49, `"write";q=50;w=10`},
		{Request{Operation: "createPost", Kind: User}, "write", true, 48, `"write";q=50;w=10`},
		{Request{Operation: "createPost"}, "write", false, 0, ""},
		{Request{Operation: "login"}, "password", true, 9, `"password";q=10;w=60`},
		{Request{Operation: "login", Kind: User}, "password", true, 58, `"password";q=60;w=2`},
		{Request{Operation: "getHealth", Reads: true}, Exempt, false, 0, ""},
	} {
		d := l.Decide(t.Context(), c.q)
		if d.Class != c.class || d.Limited != c.limited || d.Refused || d.Limited && (d.Left() != c.left || d.Policy != c.policy) {
			t.Errorf("%+v: %+v, %d left", c.q, d, d.Left())
		}
	}
}

// A limit that refuses costs nothing of the other one: neither the client's when all together are too many, nor the other
// way round.
func TestRefusalIsFree(t *testing.T) {
	t.Parallel()
	l, c := newLimiter(t, onePolicy(t, &Limit{Rate{1, time.Second}, 3}, &Limit{Rate{1, time.Minute}, 4}))
	for i, want := range []bool{true, true, true, false, false, false} {
		if d := ask(l, 1); d.Refused == want || d.Global {
			t.Fatalf("request %d: %+v", i, d)
		}
	}
	if d := ask(l, 2); d.Refused { // the refused ones left one unit for all
		t.Fatalf("the last unit of all is gone: %+v", d)
	}
	d := ask(l, 3)
	if !d.Refused || !d.Global || d.Wait() != time.Minute {
		t.Errorf("beyond the ceiling: %+v, wait %s", d, d.Wait())
	}
	c.now += time.Minute
	for range 1 { // client 3 still has all of its burst
		if d := ask(l, 3); d.Refused || d.Left() != 2 {
			t.Errorf("after the ceiling: %+v, %d left", d, d.Left())
		}
	}
}

// A percentage of clients is held to the limit, always the same ones; a class in shadow refuses nobody.
func TestModes(t *testing.T) {
	t.Parallel()
	p := onePolicy(t, &Limit{Rate{1, time.Hour}, 1}, nil)
	p.Percent = 30
	l, _ := newLimiter(t, p)
	held := map[int64]bool{}
	for client := range int64(1000) {
		ask(l, client)
		first, second := ask(l, client), ask(l, client)
		if !first.Refused || !second.Refused || first.Enforced != second.Enforced {
			t.Fatalf("client %d: %+v, %+v", client, first, second)
		}
		held[client] = first.Enforced
	}
	count := func() (n int) {
		for client := range held {
			if held[client] {
				n++
			}
		}
		return n
	}
	if n := count(); n < 250 || n > 350 {
		t.Errorf("%d of 1000 clients are held at 30 %%", n)
	}
	p.Percent = 60
	l.Apply(p)
	for client, was := range held {
		if was && !ask(l, client).Enforced {
			t.Fatalf("client %d was held at 30 %% and is not at 60 %%", client)
		}
	}
	p.Classes["read"] = Class{Mode: Shadow, Anonymous: p.Classes["read"].Anonymous}
	l.Apply(p)
	if d := ask(l, 1); !d.Refused || d.Enforced {
		t.Errorf("a class in shadow: %+v", d)
	}
	p.Mode = Off
	l.Apply(p)
	if d := ask(l, 1); d.Refused || d.Limited {
		t.Errorf("off: %+v", d)
	}
}

// A new policy keeps what everybody owes, also when a limit's rate changes; a limit that is new begins empty.
func TestApplyKeepsDebts(t *testing.T) {
	t.Parallel()
	p := onePolicy(t, &Limit{Rate{1, time.Second}, 10}, nil)
	l, _ := newLimiter(t, p)
	for range 8 {
		ask(l, 1)
	}
	p.Classes = map[string]Class{"read": {Anonymous: &Limit{Rate{1, time.Minute}, 12}, Global: &Limit{Rate{1, time.Second}, 100}}}
	l.Apply(p)
	if d := ask(l, 1); d.Refused || d.Left() != 3 {
		t.Errorf("after 9 of 12: %+v, %d left", d, d.Left())
	}
	p.Classes = map[string]Class{"read": {Anonymous: &Limit{Rate{1, time.Minute}, 5}}}
	l.Apply(p)
	if d := ask(l, 1); !d.Refused || d.Wait() != 5*time.Minute {
		t.Errorf("9 owed of 5: %+v, wait %s", d, d.Wait())
	}
	if s := l.Stats(); s.Debtors != 1 || s.Servers != 1 || s.Local {
		t.Errorf("%+v", s)
	}
}

// arrival is one request of the simulation.
type arrival struct {
	at     time.Duration
	client int64
}

// The must-show: beside an offender at ten times its limit, with a ceiling for all together, 200 well-behaved clients at up
// to 80 % of their rate see at most 0.1 % refusals, and the offender gets what its limit says and no more.
func TestOffenderCostsOthersNothing(t *testing.T) {
	t.Parallel()
	const good, span = 200, 2 * time.Minute
	limit := Limit{Rate{10, time.Second}, 30}
	l, c := newLimiter(t, onePolicy(t, &limit, &Limit{Rate{1600, time.Second}, 3200}))
	rng := rand.New(rand.NewPCG(1, 2))
	var all []arrival
	poisson := func(client int64, perSecond float64) {
		for at := time.Duration(0); at < span; at += time.Duration(rng.ExpFloat64() / perSecond * float64(time.Second)) {
			all = append(all, arrival{at, client})
		}
	}
	for i := range int64(good) {
		poisson(i, 10*(.2+.6*float64(i)/good))
	}
	const offender = 9999
	poisson(offender, 100)
	slices.SortFunc(all, func(a, b arrival) int { return int(a.at - b.at) })
	sent, refused, got := 0, 0, int64(0)
	for _, a := range all {
		c.now = time.Hour + a.at
		switch d := ask(l, a.client); {
		case a.client != offender:
			sent++
			if d.Refused {
				refused++
			}
		case !d.Refused:
			got++
		}
	}
	t.Logf("well-behaved: %d of %d refused; the offender had %d", refused, sent, got)
	if float64(refused) > .001*float64(sent) {
		t.Errorf("%d of %d requests of well-behaved clients were refused", refused, sent)
	}
	if most := limit.Burst + 10*int64(span/time.Second); got > most || got < most*98/100 {
		t.Errorf("the offender had %d of %d", got, most)
	}
}

// A whole decision: the rule of the operation, the clock and one meter; or two, or, where all together are too many, three turns at
// them.
func BenchmarkDecide(b *testing.B) {
	p := example()
	p.Classes["read"] = Class{Anonymous: p.Classes["read"].Anonymous}
	p.Classes["both"] = Class{Anonymous: p.Classes["read"].Anonymous, Global: &Limit{Rate{maxUnits / 1000, time.Second}, maxUnits / 1000}}
	p.Operations["both"] = Operation{Class: "both"}
	start := time.Now()
	ctx := context.Background()
	for _, operation := range []string{"getPost", "both", "login"} {
		for _, pattern := range []string{"one client", "10,000 clients", "hostile"} {
			l := New(p, Options{Now: func() time.Duration { return time.Since(start) }})
			key := benchKeys(pattern)
			decide := func(i uint64) {
				l.Decide(ctx, Request{Operation: operation, Reads: true, Client: key(i)})
			}
			b.Run(operation+"/"+pattern, func(b *testing.B) { alone(b, decide) })
			b.Run(operation+"/"+pattern+" parallel", func(b *testing.B) { together(b, decide) })
		}
	}
}
