package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// Verdict is what is known of a statement.
type Verdict string

// The verdicts.
const (
	OK         Verdict = "ok"          // its kind is known, all of it was understood, and nothing was found
	Found      Verdict = "found"       // a rule has something against it
	NeedsTrace Verdict = "needs trace" // the text doesn't tell, whatever else was found
)

// Report is what Lint says.
type Report struct {
	Server     string      `json:"postgresql"` // the version that was judged for
	Files      int         `json:"files"`
	Statements int         `json:"statements"`
	OK         int         `json:"ok"`
	Errors     int         `json:"errors"`
	Warnings   int         `json:"warnings"` // with those of style
	Notes      int         `json:"notes"`
	Traces     int         `json:"needs_trace"` // statements
	Allowed    int         `json:"allowed"`
	Findings   []Finding   `json:"findings"`   // the allowed ones as well
	Judgements []Judgement `json:"judgements"` // one a statement
}

// Judgement is what is known of one statement.
type Judgement struct {
	File      string   `json:"file"`
	Line      int      `json:"line"`
	Direction string   `json:"direction"` // up or down
	Statement int      `json:"statement"` // from 0
	Verdict   Verdict  `json:"verdict"`
	Locks     []string `json:"locks,omitempty"` // on tables that are in use
}

// Finding is a rule that has something against a statement.
type Finding struct {
	File      string   `json:"file"`
	Version   int64    `json:"version"`
	Line      int      `json:"line"`
	Direction string   `json:"direction"` // up or down
	Statement int      `json:"statement"` // from 0; -1: the file
	Rule      string   `json:"rule"`
	Name      string   `json:"name"`
	Severity  Severity `json:"severity"`
	Message   string   `json:"message"`
	Allowed   string   `json:"allowed,omitempty"` // the reason of who allows it
}

// add takes the judgements of a file, excuses what the file allows, and counts.
func (rep *Report) add(mg *migrate.Migration, book ruleBook, o Options, all []judged) {
	rep.Files++
	from := len(rep.Findings)
	ex := newExcuses(mg, book, o)
	for _, j := range all {
		for _, f := range j.found {
			if f.Severity == Style && !o.Style {
				continue
			}
			f.Allowed = ex.reason(f)
			rep.count(f)
			j.weigh(f)
		}
		if j.Statement < 0 {
			continue
		}
		rep.Judgements = append(rep.Judgements, j.Judgement)
		rep.Statements++
		switch j.Verdict {
		case OK:
			rep.OK++
		case NeedsTrace:
			rep.Traces++
		}
	}
	for _, f := range ex.wrong() {
		rep.count(f)
	}
	slices.SortStableFunc(rep.Findings[from:], func(a, b Finding) int {
		return cmp.Or(strings.Compare(b.Direction, a.Direction), cmp.Compare(a.Line, b.Line)) // up comes first
	})
}

// weigh lets a finding that isn't allowed decide about its statement.
func (j *judged) weigh(f Finding) {
	switch {
	case f.Allowed != "":
	case f.Severity == Trace:
		j.Verdict = NeedsTrace
	case f.Severity != Note && j.Verdict == OK:
		j.Verdict = Found
	}
}

func (rep *Report) count(f Finding) {
	rep.Findings = append(rep.Findings, f)
	switch {
	case f.Allowed != "":
		rep.Allowed++
	case f.Severity == Error:
		rep.Errors++
	case f.Severity == Warning, f.Severity == Style:
		rep.Warnings++
	case f.Severity == Note:
		rep.Notes++
	}
}

// Verdict is nil where no error was found. With strict, what needs a trace is a no as well.
func (rep *Report) Verdict(strict bool) error {
	switch {
	case rep.Errors > 0:
		return fault.New(fault.No, "%s in %s", plural(rep.Errors, "error"), plural(rep.Files, "migration")).
			WithHint("use the safe form, or say why it does no harm: -- platctl: allow RULE reason")
	case strict && rep.Traces > 0:
		return fault.New(fault.No, "%s a trace", needs(rep.Traces)).WithHint("run `platctl migrate trace`, then allow T01 with what it showed")
	}
	return nil
}

func needs(n int) string {
	if n == 1 {
		return "1 statement needs"
	}
	return fmt.Sprintf("%d statements need", n)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Open returns the findings of some severities that nobody allowed.
func (rep *Report) Open(of ...Severity) []Finding {
	var out []Finding
	for _, f := range rep.Findings {
		if f.Allowed == "" && slices.Contains(of, f.Severity) {
			out = append(out, f)
		}
	}
	return out
}

// Broken returns the rules that findings name, in the order of the list.
func Broken(found []Finding) []Rule {
	return slices.DeleteFunc(Rules(), func(r Rule) bool {
		return !slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == r.ID })
	})
}
