package compat

import (
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/manifest"
)

// constraint: a rule for rows, or for rows that others point at.
func (c *classifier) constraint(ch change) {
	lost, gained := strings.Join(ch.lost, ""), strings.Join(ch.gained, "")
	switch {
	case lost == gained+" NOT VALID": // validated: no new row is treated in another way
	case gained == "":
		c.lostConstraint(ch, lost)
	case lost == "":
		c.newConstraint(ch, gained)
	default:
		c.lostConstraint(ch, lost)
		c.newConstraint(ch, gained)
	}
}

func (c *classifier) newConstraint(ch change, definition string) {
	if m := references.FindStringSubmatch(definition); m != nil {
		c.pointedAt(ch, m[1], definition)
	}
	writers := c.usage.changers(ch.subject)
	if len(writers) == 0 || c.harmlessConstraint(ch.subject, definition) {
		return
	}
	c.say(Unproven, ch, writers, "constraint %s is new: %s; the release may write rows that it refuses", ch.object, definition)
}

// pointedAt: rows that others point at can't be deleted any more, unless those go with them.
func (c *classifier) pointedAt(ch change, relation, definition string) {
	removers := c.usage.removers(relation)
	if len(c.usage.deletes[relation])+len(c.usage.indirect[relation]) == 0 {
		return // what it updates would have to be the key, which a foreign key lets nobody change unseen
	}
	if strings.Contains(definition, "ON DELETE CASCADE") || strings.Contains(definition, "ON DELETE SET NULL") && !c.known(ch.subject) {
		return
	}
	c.say(Unproven, ch, removers, "%s is new: %s; the release may delete rows that are pointed at", ch.object, definition)
}

// known says whether the relation was there when the release was built.
func (c *classifier) known(relation string) bool { return len(c.old.of(relation)) > 0 }

// harmlessConstraint says whether a constraint can't refuse a row that the release writes: one about new columns alone, which are
// NULL in its rows.
func (c *classifier) harmlessConstraint(relation, definition string) bool {
	own, _, _ := strings.Cut(definition, " REFERENCES ")
	if !c.onlyNew(relation, own) {
		return false
	}
	switch {
	case strings.HasPrefix(definition, "UNIQUE ("), strings.HasPrefix(definition, "FOREIGN KEY ("):
		return !strings.Contains(definition, "MATCH FULL")
	case strings.HasPrefix(definition, "CHECK "):
		return nullPasses(definition)
	}
	return false
}

// nullPasses says whether a CHECK lets NULL through: comparisons with NULL are, a test for it, a function or a CASE may not be.
func nullPasses(definition string) bool {
	lower := strings.ToLower(definition)
	for _, word := range []string{"is ", "coalesce", "case", "num_nulls", "num_nonnulls", "distinct", "exists", "jsonb", "nullif", "not "} {
		if strings.Contains(lower, word) {
			return false
		}
	}
	body := strings.TrimPrefix(strings.TrimSuffix(definition, " NOT VALID"), "CHECK ")
	return harmlessExpression(strings.NewReplacer("ANY (ARRAY[", "in (", "])", ")", "~ ", "").Replace(body))
}

// lostConstraint: the release may have been sure of what it kept out.
func (c *classifier) lostConstraint(ch change, definition string) {
	if len(c.live.of(ch.subject)) == 0 {
		return // the table is gone, which the statements tell
	}
	users := c.usage.writers(ch.subject)
	for _, column := range c.named(ch.subject, definition) {
		users = unique(users, c.usage.column(ch.subject, column))
	}
	if m := references.FindStringSubmatch(definition); m != nil {
		users = unique(users, c.usage.deletes[m[1]], c.usage.indirect[m[1]])
	}
	if len(users) > 0 {
		c.say(Unproven, ch, users, "constraint %s is gone: %s; the release may count on it", ch.object, definition)
	}
}

// index: a unique one is a constraint; another one can only fail by what it computes.
func (c *classifier) index(ch change) {
	lost, gained := strings.Join(ch.lost, ""), strings.Join(ch.gained, "")
	uniqueLost, uniqueGained := strings.HasPrefix(lost, "CREATE UNIQUE"), strings.HasPrefix(gained, "CREATE UNIQUE")
	writers := c.usage.writers(ch.subject)
	if len(writers) == 0 || c.alsoConstraint(ch) {
		return
	}
	_, columns, _ := strings.Cut(gained, " USING ")
	_, columns, _ = strings.Cut(columns, " ")
	switch {
	case lost == "invalid" && gained == "":
	case strings.Contains(gained, "invalid"):
		c.say(Unproven, ch, writers, "index %s is not valid", ch.object)
	case uniqueLost:
		c.say(Unproven, ch, writers, "unique index %s is gone or another one; the release may count on it", ch.object)
	case uniqueGained && (!c.onlyNew(ch.subject, columns) || strings.Contains(gained, "NULLS NOT DISTINCT")):
		c.say(Unproven, ch, writers, "unique index %s is new: the release may write rows that it refuses", ch.object)
	case gained != "" && !harmlessExpression(columns):
		c.say(Unproven, ch, writers, "index %s computes something for every row that the release writes, and may fail: %s", ch.object, columns)
	}
}

// alsoConstraint says whether a constraint of the same name, which is judged, has the index.
func (c *classifier) alsoConstraint(ch change) bool {
	name := ch.subject + "." + unqualified(ch.object)
	same := func(f manifest.Fact) bool { return f.Kind == "constraint" && f.Object == name }
	return slices.ContainsFunc(c.live.of(ch.subject), same) || slices.ContainsFunc(c.old.of(ch.subject), same)
}
