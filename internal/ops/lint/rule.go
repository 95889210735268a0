package lint

import "slices"

// Severity is how much a finding matters.
type Severity string

// The severities. Only an Error makes the answer no.
const (
	Error   Severity = "error"   // it blocks traffic, fails or breaks the release that runs
	Warning Severity = "warning" // it does so in some cases, or for a moment
	Note    Severity = "note"    // good to know; the runner keeps it harmless
	Trace   Severity = "trace"   // the text doesn't tell; `platctl migrate trace` does
	Style   Severity = "style"   // a matter of taste, only with Options.Style
)

// Rule is one thing that lint looks for.
type Rule struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	Lock     string   `json:"lock,omitempty"` // what the statement takes, measured on PostgreSQL 15
	Reason   string   `json:"reason"`
	Safe     string   `json:"safe_form"`
	Versions string   `json:"versions,omitempty"` // of PostgreSQL, where they differ
}

// Rules returns every rule, in the order of the ids.
func Rules() []Rule {
	return slices.Concat(locking(), holding(), breaking(), asides(), styles())
}

// asides are about the linter itself.
func asides() []Rule {
	return []Rule{
		{"T01", "needs-trace", Trace, "", "the text doesn't tell what the statement does", "run `platctl migrate trace`, and say in an allow what it showed", ""},
		{"A01", "unused-allow", Error, "", "an allow that excuses nothing would excuse the next mistake", "remove the line", ""},
		{"A02", "unknown-rule", Error, "", "an allow names no rule", "take an id or a name from `platctl migrate lint --rules`", ""},
	}
}

// ruleBook finds a rule by id or name.
type ruleBook map[string]Rule

func newRuleBook() ruleBook {
	b := ruleBook{}
	for _, r := range Rules() {
		b[r.ID], b[r.Name] = r, r
	}
	return b
}
