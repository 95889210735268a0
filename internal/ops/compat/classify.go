package compat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// classifier knows which changes are harmless to a release. What it doesn't know is a finding.
type classifier struct {
	usage     *usage
	old, live *world
	out       []Finding
}

func (c *classifier) say(v Verdict, ch change, statements []string, format string, args ...any) {
	c.out = append(c.out, Finding{Verdict: v, Layer: Catalogue, Object: ch.object, Statements: statements, Reason: fmt.Sprintf(format, args...)})
}

// classify returns a finding for every change that isn't known to be harmless.
func (c *classifier) classify(changes []change) []Finding {
	kinds := map[string]func(change){
		"column": c.column, "constraint": c.constraint, "index": c.index, "trigger": c.trigger, "rule": c.trigger, "policy": c.policy,
		"table": c.relation, "view": c.relation, "materialized view": c.relation, "foreign table": c.relation,
		"function": c.function, "type": c.types, "sequence": c.sequence, "grant": c.grant,
	}
	gone := map[string]bool{}
	for _, ch := range changes {
		if ch.kind != "grant" && len(c.live.of(ch.subject)) == 0 && c.usage.relation(ch.subject) {
			if !gone[ch.subject] {
				gone[ch.subject] = true
				c.say(Unproven, change{object: ch.subject}, c.usage.anyOf(ch.subject), "%s is gone", ch.subject)
			}
			continue
		}
		if judge := kinds[ch.kind]; judge != nil {
			judge(ch)
		} else {
			c.say(Unproven, ch, c.usage.anyOf(ch.subject), "%s %s has changed", ch.kind, ch.object)
		}
	}
	return c.out
}

// trigger: one on a table that the release writes to may change, refuse or swallow what it writes.
func (c *classifier) trigger(ch change) {
	users := c.usage.writers(ch.subject)
	if ch.kind == "rule" {
		users = c.usage.anyOf(ch.subject)
	}
	if len(users) == 0 {
		return
	}
	switch {
	case len(ch.lost) == 0:
		c.say(Unproven, ch, users, "%s %s is new: it may change, refuse or drop what the release writes", ch.kind, ch.object)
	case len(ch.gained) == 0:
		c.say(Unproven, ch, users, "%s %s is gone, and the release may count on it", ch.kind, ch.object)
	default:
		c.say(Unproven, ch, users, "%s %s is another one", ch.kind, ch.object)
	}
}

// relation: what is said of a table or view as a whole.
func (c *classifier) relation(ch change) {
	users := c.usage.anyOf(ch.subject)
	if len(users) == 0 {
		return
	}
	for _, f := range ch.gained {
		switch {
		case strings.HasPrefix(f, "row security"):
			c.say(Unproven, ch, users, "%s has %s: rows may be hidden from the release, and its writes refused", ch.object, f)
		case strings.HasPrefix(f, "sha256 "):
			c.say(Unproven, ch, users, "%s %s is defined in another way", ch.kind, ch.object)
		default:
			c.say(Unproven, ch, users, "%s %s is now: %s", ch.kind, ch.object, f)
		}
	}
	if len(ch.gained) == 0 && len(c.live.of(ch.object)) > 0 {
		c.say(Unproven, ch, users, "%s %s is no longer: %s", ch.kind, ch.object, strings.Join(ch.lost, ", "))
	}
}

// policy: without row security none is in force.
func (c *classifier) policy(ch change) {
	users := c.usage.anyOf(ch.subject)
	secured := slices.ContainsFunc(c.live.of(ch.subject), contains("row security"))
	if len(users) > 0 && secured {
		c.say(Unproven, ch, users, "policy %s has changed: the release may see and write other rows", ch.object)
	}
}

// function: another body may do anything.
func (c *classifier) function(ch change) {
	users := c.usage.functions[ch.subject]
	if len(users) == 0 {
		return
	}
	if len(ch.gained) == 0 {
		c.say(Unproven, ch, users, "function %s is gone", ch.object)
		return
	}
	c.say(Unproven, ch, users, "function %s has another definition", ch.object)
}

// overloads finds functions that are new beside one of the same name that the release calls: its calls may mean the new one.
func (c *classifier) overloads() []Finding {
	was := map[string]int{}
	for f := range c.usage.functions {
		was[functionName(f)]++
	}
	c.out = nil
	for subject := range c.live.about {
		name := functionName(subject)
		if name == subject || was[name] == 0 || c.known(subject) {
			continue
		}
		var users []string
		for f, list := range c.usage.functions {
			if functionName(f) == name {
				users = unique(users, list)
			}
		}
		c.say(Unproven, change{object: subject}, users, "function %s has the name of one that the release calls, and may be the one that is called", subject)
	}
	return c.out
}

// types: an older reader doesn't know a new label; an older writer meets a new rule of a domain.
func (c *classifier) types(ch change) {
	users := c.usage.types[ch.subject]
	if len(users) == 0 {
		return
	}
	if len(ch.lost) > 0 && strings.HasPrefix(ch.lost[0], "enum ") && len(ch.gained) > 0 && strings.HasPrefix(ch.gained[0], "enum ") {
		c.say(Unproven, ch, users, "type %s is %s now: the release may meet a label that it doesn't know, or write one that is gone", ch.object, ch.gained[0])
		return
	}
	c.say(Unproven, ch, users, "type %s has changed: %s", ch.object, strings.Join(append(ch.lost, ch.gained...), ", "))
}

// sequence: one that numbers the rows of a table that the release adds to.
func (c *classifier) sequence(ch change) {
	if users := c.usage.adders(ch.subject); len(users) > 0 && len(ch.lost) > 0 {
		c.say(Unproven, ch, users, "sequence %s has changed: %s", ch.object, strings.Join(append(ch.lost, ch.gained...), ", "))
	}
}

// grant: more rights take nothing away.
func (c *classifier) grant(ch change) {
	if len(ch.lost) == 0 {
		return
	}
	users := c.usage.anyOf(ch.subject)
	users = unique(users, c.usage.functions[ch.subject], c.usage.types[ch.subject])
	if len(users) == 0 && !strings.HasPrefix(ch.object, "schema ") && !strings.HasPrefix(ch.object, "sequence ") {
		return
	}
	if strings.HasPrefix(ch.object, "schema ") && !slices.ContainsFunc(ch.lost, func(f string) bool { return strings.HasPrefix(f, "USAGE ") }) {
		return // what a statement needs of a schema is USAGE
	}
	c.say(Unproven, ch, users, "the right on %s is revoked: %s", ch.object, strings.Join(ch.lost, ", "))
}

// oldColumn says whether the relation had the column when the release was built.
func (c *classifier) oldColumn(relation, column string) bool {
	return len(c.columnFacts(c.old, relation, column)) > 0
}

// columnFacts returns what is said of one column.
func (c *classifier) columnFacts(w *world, relation, column string) []string {
	var out []string
	for _, f := range w.of(relation) {
		if f.Kind == "column" && f.Object == relation+"."+column {
			out = append(out, f.Fact)
		}
	}
	return out
}

// named returns the columns of a relation, old and new, that a definition names.
func (c *classifier) named(relation, definition string) []string {
	words := map[string]bool{}
	for _, t := range sqltoken.Split(definition) {
		if t.Name() {
			words[quoteIdent(t.Text)] = true
		}
	}
	seen := map[string]bool{}
	for _, w := range []*world{c.old, c.live} {
		for _, f := range w.of(relation) {
			if name := unqualified(f.Object); f.Kind == "column" && words[name] {
				seen[name] = true
			}
		}
	}
	return keys(seen)
}

// onlyNew says whether a definition is about columns alone that the release doesn't know, each of which stays NULL in its rows.
func (c *classifier) onlyNew(relation, definition string) bool {
	columns := c.named(relation, definition)
	for _, column := range columns {
		if c.oldColumn(relation, column) || slices.ContainsFunc(c.columnFacts(c.live, relation, column), filled) {
			return false
		}
	}
	return len(columns) > 0
}

// filled says whether a fact makes a column have a value that nobody gave.
func filled(fact string) bool {
	return fact == "not null" || strings.HasPrefix(fact, "default ") || strings.HasPrefix(fact, "generated ") || strings.HasPrefix(fact, "identity ")
}
