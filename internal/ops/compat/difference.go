package compat

import (
	"slices"

	"github.com/platctl/platctl/internal/base/manifest"
)

// change is what became of one object: the facts that it has lost and those that it has gained.
type change struct {
	kind, object string
	subject      string // the relation, function or type that it is of
	lost, gained []string
	is           []string // all facts of now
}

// difference compares what a contract knows with what is, object by object.
func difference(c *manifest.SQLContract, live *world) []change {
	var order []string
	changes := map[string]*change{}
	at := func(f manifest.Fact, subject string) *change {
		key := f.Kind + " " + f.Object
		if changes[key] == nil {
			order = append(order, key)
			changes[key] = &change{kind: f.Kind, object: f.Object, subject: subject}
		}
		return changes[key]
	}
	had := map[manifest.Fact]bool{}
	for _, f := range c.Facts {
		had[f] = true
	}
	has := map[manifest.Fact]bool{}
	for _, f := range live.touched(c.Statements) {
		has[f] = true
		ch := at(f, live.subject(f))
		ch.is = append(ch.is, f.Fact)
		if !had[f] {
			ch.gained = append(ch.gained, f.Fact)
		}
	}
	old := worldOf(c.Facts)
	for _, f := range c.Facts {
		if ch := at(f, old.subject(f)); !has[f] {
			ch.lost = append(ch.lost, f.Fact)
		}
	}
	slices.Sort(order)
	var out []change
	for _, key := range order {
		if ch := changes[key]; len(ch.lost)+len(ch.gained) > 0 {
			out = append(out, *ch)
		}
	}
	return out
}

// worldOf sorts the facts of a contract.
func worldOf(facts []manifest.Fact) *world {
	w := newWorld(nil)
	for _, f := range facts {
		w.keep(f)
	}
	return w
}
