package compat

import (
	"slices"

	"github.com/platctl/platctl/internal/base/manifest"
)

// usage says which statements of a contract need what.
type usage struct {
	columns   map[string]map[string][]string // relation -> column -> statements; "*" for all
	inserts   map[string][]string            // relation -> statements
	updates   map[string][]string
	deletes   map[string][]string
	indirect  map[string][]string
	functions map[string][]string
	types     map[string][]string
}

func usageOf(c *manifest.SQLContract) *usage {
	u := &usage{columns: map[string]map[string][]string{}, inserts: map[string][]string{}, updates: map[string][]string{},
		deletes: map[string][]string{}, indirect: map[string][]string{}, functions: map[string][]string{}, types: map[string][]string{}}
	for _, s := range c.Statements {
		for _, use := range s.Uses {
			if u.columns[use.Relation] == nil {
				u.columns[use.Relation] = map[string][]string{}
			}
			for _, column := range use.Columns {
				u.columns[use.Relation][column] = append(u.columns[use.Relation][column], s.Name)
			}
			u.columns[use.Relation][""] = append(u.columns[use.Relation][""], s.Name)
		}
		note(u.inserts, s.Inserts, s.Name)
		note(u.updates, s.Updates, s.Name)
		note(u.deletes, s.Deletes, s.Name)
		note(u.indirect, s.Indirect, s.Name)
		note(u.functions, s.Functions, s.Name)
		note(u.types, s.Types, s.Name)
	}
	return u
}

func note(m map[string][]string, what []string, name string) {
	for _, w := range what {
		m[w] = append(m[w], name)
	}
}

// relation says whether any statement needs the relation.
func (u *usage) relation(r string) bool { return u.columns[r] != nil }

// anyOf returns the statements that need anything of a relation.
func (u *usage) anyOf(r string) []string { return unique(u.columns[r][""], u.writers(r)) }

// column returns the statements that read or write a column.
func (u *usage) column(r, c string) []string {
	return unique(u.columns[r][c], u.columns[r][anything])
}

// blind returns the statements that need a relation in a way that can't be looked into.
func (u *usage) blind(r string) []string { return u.columns[r][anything] }

// adders returns the statements that add rows to a relation, or may.
func (u *usage) adders(r string) []string { return unique(u.inserts[r], u.indirect[r]) }

// changers returns the statements that add or change rows of a relation, or may.
func (u *usage) changers(r string) []string {
	return unique(u.inserts[r], u.updates[r], u.indirect[r])
}

// removers returns the statements that delete rows of a relation or change their keys, or may.
func (u *usage) removers(r string) []string {
	return unique(u.deletes[r], u.updates[r], u.indirect[r])
}

// writers returns the statements that write to a relation, or may.
func (u *usage) writers(r string) []string {
	return unique(u.inserts[r], u.updates[r], u.deletes[r], u.indirect[r])
}

func unique(lists ...[]string) []string {
	out := slices.Concat(lists...)
	slices.Sort(out)
	return slices.Compact(out)
}
