package compat

import (
	"cmp"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Verdict says whether a release can run on a schema.
type Verdict string

// The verdicts, the best first.
const (
	Proven       Verdict = "proven"
	Unproven     Verdict = "unproven"
	Inconclusive Verdict = "inconclusive" // a lock or the time was missing: ask again
	Broken       Verdict = "broken"
)

func (v Verdict) rank() int {
	return slices.Index([]Verdict{Proven, Unproven, Inconclusive, Broken}, v)
}

// Layer says where a finding comes from.
type Layer string

// The layers.
const (
	Declared   Layer = "declared"   // by the migrations themselves
	Statements Layer = "statements" // prepared and planned
	Catalogue  Layer = "catalogue"  // compared fact by fact
)

// Finding is one reason against a release.
type Finding struct {
	Verdict    Verdict  `json:"verdict"`
	Layer      Layer    `json:"layer"`
	Object     string   `json:"object,omitempty"`   // what has changed
	SQLState   string   `json:"sqlstate,omitempty"` // of the statement that fails
	Reason     string   `json:"reason"`
	Statements []string `json:"statements,omitempty"` // those that it concerns
	Migrations []string `json:"migrations,omitempty"` // that did it; several: one of them
}

func (f Finding) key() string {
	return string(f.Layer) + "|" + f.Object + "|" + f.Reason + "|" + strings.Join(f.Statements, ",")
}

// Report is the verdict on one release and one schema.
type Report struct {
	Release    string      `json:"release"`
	Verdict    Verdict     `json:"verdict"`
	BuiltOn    int64       `json:"built_on"`   // the migration that the release was built on
	Schema     int64       `json:"schema"`     // the newest one that is applied
	Statements int         `json:"statements"` // of the contract
	Planned    int         `json:"planned"`    // of them, without an error
	Findings   []Finding   `json:"findings"`
	Above      []Migration `json:"above"` // applied since the release
	Notes      []string    `json:"notes,omitempty"`
}

// Migration is one that was applied above what a release was built on.
type Migration struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	Phase   string `json:"phase,omitempty"`

	text string
}

func (r *Report) add(f ...Finding) { r.Findings = append(r.Findings, f...) }

// conclude sorts the findings, the worst first, and takes the verdict from them.
func (r *Report) conclude() {
	seen := map[string]bool{}
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool {
		again := seen[f.key()]
		seen[f.key()] = true
		return again
	})
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Verdict.rank(), a.Verdict.rank()), cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Object, b.Object))
	})
	r.Verdict = Proven
	if len(r.Findings) > 0 {
		r.Verdict = r.Findings[0].Verdict
	}
}

// Answer is nil where the release is proven, else why not.
func (r *Report) Answer() error {
	if r.Verdict == Proven {
		return nil
	}
	f := r.Findings[0]
	if r.Verdict == Inconclusive {
		return fault.New(fault.Inconclusive, "whether %s runs here can't be said now: %s", r.Release, f.Reason).
			WithHint("ask again; `platctl migrate status` shows what is going on")
	}
	return fault.New(fault.No, "%s is %s on this schema: %s", r.Release, strings.ToUpper(string(r.Verdict)), f.Line()).
		WithHint("keep the release from being needed, or change the schema so that it lives on; docs/migrations.md says how")
}

// Line tells a finding in one line.
func (f Finding) Line() string {
	out := f.Reason
	if f.SQLState != "" {
		out += " (SQLSTATE " + f.SQLState + ")"
	}
	if len(f.Migrations) == 1 {
		out += ", by " + f.Migrations[0]
	} else if len(f.Migrations) > 1 {
		out += ", by one of " + strings.Join(f.Migrations, ", ")
	}
	return out
}

// Worse says whether one verdict is worse than another.
func Worse(a, b Verdict) bool { return a.rank() > b.rank() }

// Merge adds what is wrong on the schema as it is now to a report on one that the files make: what somebody did by hand is not in
// the files. A release that needs what is still pending has nothing to say there.
func (r *Report) Merge(live *Report) {
	if live.Schema < r.BuiltOn {
		return
	}
	seen := map[string]bool{}
	for _, f := range r.Findings {
		seen[f.key()] = true
	}
	for _, f := range live.Findings {
		if !seen[f.key()] {
			f.Reason = "as the schema is now: " + f.Reason
			r.add(f)
		}
	}
	r.conclude()
}
