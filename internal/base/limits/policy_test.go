package limits

import (
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func example() Policy {
	return Policy{
		Mode: Enforce, Percent: 25, Reads: "read", Writes: "write",
		Classes: map[string]Class{
			"read": {
				Anonymous: &Limit{Rate{20, time.Second}, 100}, User: &Limit{Rate{50, time.Second}, 200},
				Moderator: &Limit{Rate{100, time.Second}, 400},
			},
			"write":    {Mode: Shadow, User: &Limit{Rate{300, time.Minute}, 50}},
			"password": {Anonymous: &Limit{Rate{10, time.Minute}, 10}, Account: &Limit{Rate{5, 15 * time.Minute}, 5}, Global: &Limit{Rate{30, time.Second}, 60}},
		},
		Operations: map[string]Operation{"login": {Class: "password"}, "searchPeople": {Class: "read", Cost: 5}, "getHealth": {Class: Exempt}},
	}
}

// The file's bytes are pinned: an older release reads them after a rollback.
func TestFile(t *testing.T) {
	t.Parallel()
	got, err := example().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/policy.golden", got, *update)
	back, err := Parse(got)
	if err != nil || !reflect.DeepEqual(back, example()) {
		t.Errorf("read back as %+v, %v", back, err)
	}
}

// A release meets the file of the next one and reads what it knows; a version further away is refused, and so is a misspelt
// key of our own.
func TestVersions(t *testing.T) {
	t.Parallel()
	data, err := example().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	next := strings.Replace(string(data), "/v1", "/v2", 1) + "novelty: true\n"
	if p, err := Parse([]byte(next)); err != nil || !reflect.DeepEqual(p, example()) {
		t.Errorf("the next version reads as %+v, %v", p, err)
	}
	for name, text := range map[string]string{
		"two versions ahead": strings.Replace(string(data), "/v1", "/v3", 1),
		"a misspelt key":     string(data) + "percnt: 3\n",
		"no schema":          "mode: off\n",
		"a second document":  string(data) + "---\na: 1\n",
		"twice the same key": string(data) + "mode: off\n",
		"not YAML":           "\t{",
		"too long":           strings.Repeat("#", maxFile+1),
		"an endless alias":   "schema: platctl.ratelimit/v1\na: &a [*a]\n",
		"nothing":            "",
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

// Whatever can't be enforced is refused, with its place.
func TestValidate(t *testing.T) {
	t.Parallel()
	if err := example().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(p *Policy){
		"mode":    func(p *Policy) { p.Mode = "on" },
		"percent": func(p *Policy) { p.Percent = 101 },
		"reads":   func(p *Policy) { p.Reads = "" },
		"writes":  func(p *Policy) { p.Writes = "nothing" },
		"classes": func(p *Policy) { p.Classes["Upper"] = Class{} },
		"classes.bad.mode": func(p *Policy) {
			p.Classes["bad"] = Class{Mode: "maybe"}
		},
		"classes.bad.user": func(p *Policy) {
			p.Classes["bad"] = Class{User: &Limit{Rate{1, time.Second}, 0}}
		},
		"classes.bad.global": func(p *Policy) {
			p.Classes["bad"] = Class{Global: &Limit{Rate{1, day}, 8}}
		},
		"classes.bad.anonymous": func(p *Policy) {
			p.Classes["bad"] = Class{Anonymous: &Limit{Rate{2_000_000, time.Second}, 1}}
		},
		"operations":              func(p *Policy) { p.Operations["no name"] = Operation{Class: "read"} },
		"operations.login.class":  func(p *Policy) { p.Operations["login"] = Operation{Class: "x"} },
		"operations.login.cost":   func(p *Policy) { p.Operations["login"] = Operation{Class: "password", Cost: 11} },
		"operations.getMe.cost":   func(p *Policy) { p.Operations["getMe"] = Operation{Class: "read", Cost: -1} },
		"operations.getPost.cost": func(p *Policy) { p.Operations["getPost"] = Operation{Class: Exempt, Cost: 2000} },
	} {
		p := example()
		change(&p)
		var e *fault.Error
		if err := p.Validate(); !errors.As(err, &e) || e.Kind != fault.Invalid || len(e.Fields) != 1 || e.Fields[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A policy says nothing about what is newer than it: that keeps its declaration.
func TestOver(t *testing.T) {
	t.Parallel()
	mine := Policy{
		Mode: Off, Reads: "read", Writes: "read",
		Classes:    map[string]Class{"read": {User: &Limit{Rate{1, time.Second}, 3}}},
		Operations: map[string]Operation{"login": {Class: "read"}},
	}
	got := mine.Over(example())
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	if got.Mode != Off || got.Classes["read"].Anonymous != nil || got.Classes["password"].Global == nil ||
		got.Operations["login"].Class != "read" || got.Operations["getHealth"].Class != Exempt {
		t.Errorf("%+v", got)
	}
	if got.Operations["searchPeople"].Cost != 1 {
		t.Errorf("a cost of 5 against a burst of 3 became %d", got.Operations["searchPeople"].Cost)
	}
	part, err := Parse([]byte("schema: platctl.ratelimit/v1\nmode: enforce\nclasses: {read: {user: {rate: 7/s, burst: 9}}}\n"))
	whole := part.Over(example())
	if err != nil || whole.Validate() != nil || whole.Reads != "read" || whole.Percent != 100 || whole.Classes["read"].User.Burst != 9 ||
		whole.Classes["password"].Global == nil || part.Validate() == nil {
		t.Errorf("%+v, %v, %v", whole, err, whole.Validate())
	}
	if len(mine.Operations) != 1 || len(mine.Classes) != 1 {
		t.Error("Over changed its receiver")
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	if d := Diff(example(), example()); len(d) != 0 {
		t.Errorf("the same policy differs: %v", d)
	}
	to := example()
	to.Percent = 100
	to.Classes["read"] = Class{User: &Limit{Rate{5, 15 * time.Minute}, 200}}
	delete(to.Classes, "write")
	to.Operations["login"] = Operation{Class: "password", Cost: 2}
	var lines []string
	for _, c := range Diff(example(), to) {
		lines = append(lines, c.String())
	}
	want := `classes.read.anonymous: 20/s burst 100 → -
classes.read.moderator: 100/s burst 400 → -
classes.read.user: 50/s burst 200 → 5/15m burst 200
classes.write: class → -
classes.write.mode: shadow → -
classes.write.user: 300/m burst 50 → -
operations.login: password → password, cost 2
percent: 25 → 100`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"20/s": "20/s", "10/min": "10/m", "5/15m": "5/15m", "5/15m0s": "5/15m", "1000/h": "1000/h", "1/1h0m0s": "1/h", "3/d": "3/d",
		"3/24h": "3/d", "2/90s": "2/1m30s", "7/7d": "7/7d", "1/1h30m": "1/1h30m", "1000000/s": "1000000/s", "1/100ms": "1/100ms", "1/10m": "1/10m",
	} {
		r, err := ParseRate(text)
		if err != nil || r.String() != want {
			t.Errorf("%s reads as %s, %v; want %s", text, r, err, want)
		}
		if again, err := ParseRate(r.String()); err != nil || again != r {
			t.Errorf("%s is written as %s, which reads as %v, %v", text, r, again, err)
		}
	}
	for _, text := range []string{"", "5", "/s", "0/s", "-1/s", "+5/s", "05/s", "1.5/s", "5/", "5/x", "1/8d", "1/0s", "1/-1s", "1000001/s", "5/s/s",
		"9999999999999999999/s", "1/99999999999d"} {
		if r, err := ParseRate(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q reads as %v, %v", text, r, err)
		}
	}
}

// Whatever is parsed is written and read back as itself; whatever is whole can be enforced.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/policy.golden")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("schema: platctl.ratelimit/v1\nmode: off\nreads: none\nwrites: none\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		out, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(out)
		if err != nil || len(Diff(p, back)) > 0 {
			t.Fatalf("%v, %v\n%s", Diff(p, back), err, out)
		}
		if whole := p.Over(example()); whole.Validate() == nil {
			l := New(whole, Options{Now: func() time.Duration { return time.Hour }, Clients: 8})
			l.Decide(t.Context(), Request{Operation: "login"})
		}
	})
}
