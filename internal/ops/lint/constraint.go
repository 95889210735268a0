package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// startsConstraint says whether an element is a constraint of the table, and not a column.
func startsConstraint(r *reader) bool {
	return r.is("constraint") || r.is("check (") || r.is("unique (") || r.is("unique nulls") || r.is("unique using") || r.is("primary key") ||
		r.is("foreign key") || r.is("exclude using") || r.is("exclude (") || r.is("not null")
}

// tableConstraint reads a constraint of a table, a new one or, with judged, one in use.
func (s *stmt) tableConstraint(key string, judged bool) {
	given := ""
	if s.take("constraint") {
		given, _ = s.ident()
	}
	c := constraint{valid: true, file: s.r.w.file}
	switch {
	case s.take("check"):
		s.check(key, given, c, judged)
	case s.take("unique"):
		s.unique(key, given, c, judged)
	case s.take("primary key"):
		s.primary(key, given, c, judged)
	case s.take("foreign key"):
		s.foreign(key, given, c, judged)
	case s.take("exclude"):
		s.exclude(key, given, c, judged)
	case s.take("not null"):
		s.namedNotNull(key, judged)
	default:
		s.trace("a constraint of %s isn't understood", key)
		s.rest()
	}
}

// validity reads when and whether a constraint is checked; it returns false behind NOT VALID and NOT ENFORCED.
func (s *stmt) validity() bool {
	valid := true
	for {
		switch {
		case s.any("not valid", "not enforced"):
			valid = false
		case s.timing(), s.take("no inherit"):
		default:
			return valid
		}
	}
}

func (s *stmt) check(key, given string, c constraint, judged bool) {
	c.kind = "check"
	c.expr, _ = s.parens()
	c.valid = s.validity()
	t := s.r.w.edit(key)
	c.columns = mentions(t, c.expr)
	widens := s.widens(t, c)
	name := t.add(key, given, c)
	s.pending(key, name, c)
	if !judged {
		return
	}
	if c.valid {
		s.slow = "the rows of " + key + " are checked"
		s.find("L08", "%s of %s is checked for every row", name, key)
	}
	if !t.isNew(c.columns, s.r.w.file) && !widens {
		s.find("C04", "%s of %s may refuse what is written now", name, key)
	}
}

// pending remembers a constraint that waits for VALIDATE.
func (s *stmt) pending(key, name string, c constraint) {
	if !c.valid {
		s.r.tx.pending[key+" "+name] = true
	}
}

// widens says whether a check only allows more values than one that this file has dropped: column IN (more strings).
func (s *stmt) widens(t *table, c constraint) bool {
	head, now := inList(c.expr)
	return now != nil && slices.ContainsFunc(slices.Collect(maps.Values(t.dropped)), func(old constraint) bool {
		oldHead, before := inList(old.expr)
		return old.file == s.r.w.file && before != nil && head == oldHead && !slices.ContainsFunc(before, func(v string) bool { return !slices.Contains(now, v) })
	})
}

// inList returns the column and the strings of: column IN ('a', 'b').
func inList(expr tokens) (col string, values []string) {
	r := reader{toks: unwrap(expr)}
	col, ok := r.ident()
	if !ok || !r.take("in") {
		return "", nil
	}
	inner, ok := r.parens()
	if !ok || !r.done() {
		return "", nil
	}
	for _, v := range split(inner, ",") {
		if len(v) != 1 || v[0].Kind != sqltoken.String {
			return "", nil
		}
		values = append(values, v[0].Text)
	}
	return col, values
}

// usingIndex reads USING INDEX name.
func (s *stmt) usingIndex() (string, bool) {
	if s.is("using index tablespace") || !s.take("using index") {
		return "", false
	}
	n, ok := s.name()
	return s.r.w.key(n), ok
}

func (s *stmt) unique(key, given string, c constraint, judged bool) {
	c.kind = "unique"
	s.any("nulls not distinct", "nulls distinct")
	t := s.r.w.edit(key)
	if i, ok := s.usingIndex(); ok {
		c.columns = s.r.w.indexes[i].columns
		s.validity()
		t.add(key, given, c)
		return
	}
	inner, _ := s.parens()
	c.columns = plainColumns(inner)
	s.indexOptions()
	s.validity()
	name := t.add(key, given, c)
	if !judged {
		return
	}
	s.slow = "the index of " + name + " is built"
	s.find("L12", "the index of %s is built under the lock of %s", name, key)
	s.newlyUnique(t, c.columns, name)
}

// newlyUnique finds keys that old writes may violate. Columns of this file are written by nobody yet.
func (s *stmt) newlyUnique(t *table, cols []string, name string) {
	if !t.isNew(cols, s.r.w.file) {
		s.find("C04", "%s may refuse what is written now", name)
	}
}

func (s *stmt) primary(key, given string, c constraint, judged bool) {
	c.kind = "primary"
	t := s.r.w.edit(key)
	i, using := s.usingIndex()
	if using {
		c.columns = s.r.w.indexes[i].columns
	} else {
		inner, _ := s.parens()
		c.columns = plainColumns(inner)
		s.indexOptions()
	}
	s.validity()
	name := t.add(key, given, c)
	if judged {
		s.primaryOf(key, name, i, using, c)
	}
	for _, col := range c.columns {
		if k, ok := t.columns[col]; ok || judged {
			k.notNull = true
			t.columns[col] = k
		}
	}
}

func (s *stmt) primaryOf(key, name, index string, using bool, c constraint) {
	t := s.r.w.look(key)
	nullable := slices.DeleteFunc(slices.Clone(c.columns), func(col string) bool { return t.columns[col].notNull || t.proves(col) })
	switch {
	case !using:
		s.slow = "the index of " + name + " is built"
		s.find("L14", "the index of %s is built under the lock of %s", name, key)
		s.newlyUnique(t, c.columns, name)
	case c.columns == nil:
		s.trace("whether the columns of %s are NOT NULL: else every row is checked", index)
	case len(nullable) > 0:
		s.slow = "the rows of " + key + " are checked"
		s.find("L14", "%s of %s isn't known to be NOT NULL: every row is checked", strings.Join(nullable, ", "), key)
		s.find("C04", "%s may refuse what is written now", name)
	}
}

func (s *stmt) foreign(key, given string, c constraint, judged bool) {
	c.kind = "foreign"
	inner, _ := s.parens()
	c.columns = plainColumns(inner)
	if !s.take("references") {
		return
	}
	n, ok := s.name()
	if !ok {
		return
	}
	if s.is("(") {
		s.parens()
	}
	s.keyActions()
	c.valid = s.validity()
	c.ref = s.refers(n)
	t := s.r.w.edit(key)
	name := t.add(key, given, c)
	s.pending(key, name, c)
	if !judged {
		return
	}
	s.locksTable(key, shareRowExclusive)
	switch {
	case c.valid:
		s.slow = "the rows of " + key + " are checked"
		s.find("L06", "%s is checked for every row, with %s and %s locked", name, key, c.ref)
	case t.partitioned && s.r.opts.Server.Major < 18:
		s.find("L06", "NOT VALID on the partitioned %s fails before PostgreSQL 18", key)
	}
	if !t.isNew(c.columns, s.r.w.file) {
		s.find("C04", "%s of %s may refuse what is written now", name, key)
	}
}

func (s *stmt) exclude(key, given string, c constraint, judged bool) {
	c.kind = "exclude"
	if s.take("using") {
		s.ident()
	}
	inner, _ := s.parens()
	c.columns = plainColumns(inner)
	s.indexOptions()
	if s.take("where") {
		s.parens()
	}
	s.validity()
	t := s.r.w.edit(key)
	name := t.add(key, given, c)
	if judged {
		s.slow = "the index of " + name + " is built"
		s.find("L15", "%s reads %s twice under its lock", name, key)
		s.newlyUnique(t, c.columns, name)
	}
}

// namedNotNull reads CONSTRAINT n NOT NULL c of PostgreSQL 18.
func (s *stmt) namedNotNull(key string, judged bool) {
	col, ok := s.ident()
	valid := s.validity()
	if !ok || !judged {
		return
	}
	if s.r.opts.Server.Major < 18 {
		s.find("L11", "a constraint NOT NULL fails before PostgreSQL 18")
	}
	if valid {
		s.notNull(key, col)
		return
	}
	s.r.tx.pending[key+" "+col] = true
	s.find("C04", "%s of %s may refuse what is written now", col, key)
}

// notNull judges SET NOT NULL.
func (s *stmt) notNull(key, col string) {
	t := s.r.w.edit(key)
	c := t.columns[col]
	if !c.notNull && !t.proves(col) {
		s.slow = "the rows of " + key + " are checked"
		s.find("L11", "%s of %s is checked for every row; no validated CHECK (%s IS NOT NULL) is known", col, key, col)
		s.find("C04", "%s of %s may refuse what is written now", col, key)
	}
	c.notNull = true
	t.columns[col] = c
}
