package cache

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// count returns how many rechecks had a result.
func count(t *testing.T, r *rig, result string) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(r.Cache.Metrics.rechecks)
	families, err := reg.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == result {
			return m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no series for %q", result)
	return 0
}

func TestMatches(t *testing.T) {
	t.Parallel()
	const etag = `"a,b"`
	for line, want := range map[string]bool{
		`"a,b"`: true, `W/"a,b"`: true, ` "x" , "a,b"`: true, `"x",,W/"y","a,b"`: true, `*`: true, ` * `: true, "": false,
		`"a`: false, `a,b`: false, `"a","b"`: false, `"x" "a,b"`: false, `w/"a,b"`: false, `"A,B"`: false, `*, "x"`: false, `"a,b`: false,
	} {
		if got := Matches([]string{line}, etag); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
	if !Matches([]string{`"x"`, `"a,b"`}, etag) || Matches(nil, etag) || Matches([]string{"*"}, "") {
		t.Error("several lines, none, or no answer")
	}
}

// Whatever is sent, a tag in a well-formed list is found, and one that is nowhere in the text is not.
func FuzzMatches(f *testing.F) {
	f.Add(`"x"`, `W/"y", "z"`)
	f.Add(`*`, `,,"`)
	f.Fuzz(func(t *testing.T, tag, list string) {
		tag = `"` + strings.ReplaceAll(tag, `"`, "") + `"`
		if got := Matches([]string{list}, tag); got && !strings.Contains(list, tag) && strings.Trim(list, " \t") != "*" {
			t.Errorf("%q matches %q", list, tag)
		}
		if !Matches([]string{`"other", W/` + tag, list}, tag) {
			t.Errorf("%q is not found before %q", tag, list)
		}
	})
}

var fuzzed = []Param{{Name: "q"}, {Name: "page", Default: "1"}, {Name: "limit", Default: "20"}, {Name: "inStock", Default: "false"}}

// effective is what an operation reads of a query, one parameter after the other.
func effective(q url.Values) []string {
	var out []string
	for _, p := range fuzzed {
		switch v, sent := q[p.Name]; {
		case sent && len(v) == 1:
			out = append(out, "sent "+v[0])
		case p.Default != "":
			out = append(out, "sent "+p.Default)
		default:
			out = append(out, "absent")
		}
	}
	return out
}

// Two requests have one key exactly when the operation reads the same of both.
func FuzzKey(f *testing.F) {
	f.Add("a", "q=x&page=1", "b", "q=x")
	f.Add("a", "q=x%26page=2", "a", "q=x&page=2")
	f.Add("a&q=x", "", "a", "q=x")
	f.Add("a", "utm=1&limit=20", "a", "limit=20&inStock=false")
	f.Fuzz(func(t *testing.T, arg1, query1, arg2, query2 string) {
		q1, err1 := url.ParseQuery(query1)
		q2, err2 := url.ParseQuery(query2)
		if err1 != nil || err2 != nil {
			return
		}
		k1, ok1 := Key("op", arg1, q1, fuzzed)
		k2, ok2 := Key("op", arg2, q2, fuzzed)
		for _, p := range fuzzed {
			if len(q1[p.Name]) > 1 && ok1 {
				t.Errorf("%s is sent twice in %q and has a key", p.Name, query1)
			}
		}
		if !ok1 || !ok2 {
			return
		}
		same := arg1 == arg2 && slices.Equal(effective(q1), effective(q2))
		if (k1 == k2) != same {
			t.Errorf("%q %q and %q %q: keys %q and %q, the same: %v", arg1, query1, arg2, query2, k1, k2, same)
		}
	})
}
