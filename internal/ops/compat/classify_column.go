package compat

import (
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// contains matches facts that begin with a text.
func contains(prefix string) func(manifest.Fact) bool {
	return func(f manifest.Fact) bool { return strings.HasPrefix(f.Fact, prefix) }
}

// fact returns what follows the prefix in the first fact that has it.
func fact(facts []string, prefix string) (string, bool) {
	for _, f := range facts {
		if rest, ok := strings.CutPrefix(f, prefix); ok {
			return rest, true
		}
	}
	return "", false
}

func (c *classifier) column(ch change) {
	relation, name := ch.subject, unqualified(ch.object)
	_, lostType := fact(ch.lost, "type ")
	_, gainedType := fact(ch.gained, "type ")
	switch {
	case gainedType && !lostType:
		c.newColumn(ch)
	case lostType && !gainedType:
		if users := c.usage.column(relation, name); len(users) > 0 {
			c.say(Unproven, ch, users, "column %s is gone", ch.object)
		}
	default:
		c.changedColumn(ch)
	}
}

// newColumn: the release doesn't fill it.
func (c *classifier) newColumn(ch change) {
	if takers := c.usage.columns[ch.subject][whole]; len(takers) > 0 {
		c.say(Unproven, ch, takers, "column %s is new, and a function takes the rows of %s as a whole", ch.object, ch.subject)
	}
	adders := c.usage.adders(ch.subject)
	if len(adders) == 0 {
		return
	}
	typ, _ := fact(ch.gained, "type ")
	def, hasDefault := fact(ch.gained, "default ")
	generated, isGenerated := fact(ch.gained, "generated ")
	_, identity := fact(ch.gained, "identity ")
	switch {
	case identity:
	case slices.Contains(ch.gained, "not null") && !hasDefault && !isGenerated:
		c.required(ch, adders)
	case isGenerated && !harmlessExpression(generated):
		c.say(Unproven, ch, adders, "column %s is computed for every row that the release writes, and may fail", ch.object)
	case hasDefault && !harmlessExpression(def):
		c.say(Unproven, ch, adders, "the default of %s, %s, is computed for every row that the release adds, and may fail", ch.object, def)
	case strings.Contains(typ, "."):
		c.say(Unproven, ch, adders, "column %s has a type, %s, that may have rules of its own", ch.object, typ)
	}
}

// required: a trigger may fill a column that has to be filled, else nobody does.
func (c *classifier) required(ch change, adders []string) {
	filled := slices.ContainsFunc(c.live.of(ch.subject), func(f manifest.Fact) bool {
		return f.Kind == "trigger" && strings.Contains(f.Fact, " BEFORE ") && strings.Contains(f.Fact, "INSERT")
	})
	reason := "column " + ch.object + " is NOT NULL without a default, and the release doesn't fill it"
	if inserts := c.usage.inserts[ch.subject]; !filled && len(inserts) > 0 {
		c.out = append(c.out, Finding{Verdict: Broken, Layer: Catalogue, Object: ch.object, SQLState: "23502", Statements: inserts, Reason: reason})
		return
	}
	c.say(Unproven, ch, adders, "%s", reason)
}

// changedColumn: the release knows it.
func (c *classifier) changedColumn(ch change) {
	users, adders := c.usage.column(ch.subject, unqualified(ch.object)), c.usage.adders(ch.subject)
	c.changedType(ch, users)
	if slices.Contains(ch.lost, "not null") && len(users) > 0 {
		c.say(Unproven, ch, users, "column %s may be NULL now, and the release reads it as one that isn't", ch.object)
	}
	if w := c.usage.changers(ch.subject); slices.Contains(ch.gained, "not null") && len(w) > 0 {
		c.say(Unproven, ch, w, "column %s is NOT NULL now, and the release may write NULL", ch.object)
	}
	c.changedValue(ch, "default ", adders)
	c.changedValue(ch, "identity ", unique(users, adders))
	c.changedValue(ch, "generated ", unique(users, adders))
	if collation, ok := fact(append(ch.lost, ch.gained...), "collation "); ok && len(users) > 0 {
		c.say(Unproven, ch, users, "the collation of %s has changed: %s", ch.object, collation)
	}
}

// changedType: code that can't be looked into may keep the column's values in variables of the old type.
func (c *classifier) changedType(ch change, users []string) {
	was, ok := fact(ch.lost, "type ")
	now, _ := fact(ch.gained, "type ")
	if ok && len(users) > 0 && (!wider(was, now) || len(c.usage.blind(ch.subject)) > 0) {
		c.say(Unproven, ch, users, "column %s is %s now, and was %s", ch.object, now, was)
	}
}

// changedValue: what a column has that nobody fills.
func (c *classifier) changedValue(ch change, kind string, users []string) {
	was, lost := fact(ch.lost, kind)
	now, gained := fact(ch.gained, kind)
	if (lost || gained) && len(users) > 0 {
		c.say(Unproven, ch, users, "the %sof %s is %s now, and was %s", kind, ch.object, orNone(now, gained), orNone(was, lost))
	}
}

func orNone(s string, ok bool) string {
	if !ok {
		return "none"
	}
	return s
}

// harmlessExpression says whether an expression is made of literals, columns and functions alone that take every value of their type.
// Arithmetic of columns overflows, and a cast of one may not take its value: only text takes every value.
func harmlessExpression(sql string) bool {
	tokens := sqltoken.Split(sql)
	columns, arithmetic := false, false
	for i, t := range tokens {
		before, after := neighbour(tokens, i-1), neighbour(tokens, i+1)
		switch {
		case t.Kind == sqltoken.Quoted, partial(t, before), t.Is(":") && after.Is(":") && !totalCast(before, neighbour(tokens, i+2)):
			return false
		case t.Is("+"), t.Is("-"), t.Is("*"):
			arithmetic = true
		case t.Name() && before.Is(":"): // the type of a cast
		case t.Name() && slices.Contains(total(), t.Text):
		case t.Name() && after.Is("("):
			return false
		case t.Name():
			columns = true
		}
	}
	return !arithmetic || !columns
}

// partial says whether a symbol is of an operator that fails for some values, or of a name with a schema.
func partial(t, before sqltoken.Token) bool {
	return t.Is("/") || t.Is("%") || t.Is("[") || t.Is(".") && before.Kind != sqltoken.Number
}

// totalCast says whether a cast can not fail for a later row: that of a literal has been tried, and text takes every value.
func totalCast(what, to sqltoken.Token) bool {
	return what.Kind == sqltoken.String || what.Kind == sqltoken.Number || what.Is("null") || to.Is("text")
}

// neighbour returns the token at a place, an empty one where there is none.
func neighbour(tokens []sqltoken.Token, at int) sqltoken.Token {
	if at < 0 || at >= len(tokens) {
		return sqltoken.Token{Kind: sqltoken.Symbol}
	}
	return tokens[at]
}

// total lists functions of PostgreSQL, types with a length and words that are no columns, which don't fail for any value of their
// arguments' types. A tsvector has at most a megabyte, so making one may fail.
func total() []string {
	return []string{"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "gen_random_uuid", "random", "lower", "upper", "coalesce",
		"char_length", "length", "octet_length", "md5", "btrim", "nullif", "greatest", "least", "varchar", "numeric", "varying", "timestamp", "time",
		"and", "or", "in", "array", "as", "where", "not", "is", "include", "null", "true", "false", "interval"}
}
