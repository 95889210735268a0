package lint

import (
	"slices"
	"strings"
)

func alterForms() []form {
	return []form{
		{"table all in tablespace", (*stmt).movesAll}, {"index all in tablespace", (*stmt).movesAll},
		{"materialized view all in tablespace", (*stmt).movesAll},
		{"table", (*stmt).alterTable}, {"foreign table", (*stmt).alterTable},
		{"index", (*stmt).alterIndex}, {"materialized view", (*stmt).alterMatview}, {"view", (*stmt).alterView},
		{"type", (*stmt).alterType}, {"domain", (*stmt).alterDomain},
		{"sequence", func(s *stmt) { s.alterObject("sequence") }}, {"schema", func(s *stmt) { s.alterObject("schema") }},
		{"function", func(s *stmt) { s.alterObject("function") }}, {"procedure", func(s *stmt) { s.alterObject("function") }},
		{"routine", func(s *stmt) { s.alterObject("function") }}, {"aggregate", func(s *stmt) { s.alterObject("function") }},
		{"database", func(s *stmt) { s.alterObject("database") }}, {"statistics", func(s *stmt) { s.alterObject("statistics") }},
		{"default privileges", (*stmt).defaultPrivileges}, {"policy", (*stmt).policy},
		{"trigger", (*stmt).alterTrigger}, {"system", (*stmt).alterSystem},
	}
}

func (s *stmt) movesAll() {
	s.rest()
	s.slow = "every table of the tablespace is copied"
	s.find("L24", "every table of the tablespace is copied under its lock")
}

func (s *stmt) alterSystem() {
	s.rest()
	s.notInTx("ALTER SYSTEM")
	s.trace("a setting of the whole server")
}

// alterTrigger reads RENAME, which locks the table for a moment, and DEPENDS ON.
func (s *stmt) alterTrigger() {
	s.ident()
	if !s.take("on") {
		return
	}
	n, ok := s.name()
	if ok && s.any("rename to", "depends on extension", "no depends on extension") {
		s.locksTable(s.key(n), accessExclusive)
		s.ident()
	}
}

// alterTable reads ALTER TABLE with all of its actions.
func (s *stmt) alterTable() {
	exists := s.take("if exists")
	only := s.take("only")
	n, ok := s.name()
	if !ok {
		return
	}
	s.take("*")
	key := s.key(n)
	hot := s.r.w.hot(key)
	s.style("S11", !exists && !s.r.tx.open, "ALTER TABLE without IF EXISTS")
	if s.wholeTable(key, hot) {
		return
	}
	if hot {
		s.altered = key
	}
	offset := s.at
	mode := shareUpdateExclusive
	for _, action := range split(s.rest(), ",") {
		a := alteration{stmt: s, key: key, hot: hot, only: only, mode: accessExclusive}
		outer := s.reader
		s.reader = reader{toks: outer.toks[:offset+len(action)], at: offset}
		s.mark = offset
		a.read()
		if !s.done() {
			s.mark = s.at
			s.trace("%q isn't understood here", s.peek().Text)
		}
		offset += len(action) + 1
		s.reader = outer
		mode = max(mode, a.mode)
	}
	s.mark = 0
	s.locksTable(key, mode)
}

// wholeTable reads the forms that are about the table and stand alone.
func (s *stmt) wholeTable(key string, hot bool) bool {
	s.mark = s.at
	switch {
	case s.take("rename constraint"):
		s.renameConstraint(key, hot)
	case s.take("rename to"):
		to, _ := s.ident()
		schema, _, _ := strings.Cut(key, ".")
		s.breaks(hot, "C02", "%s is renamed to %s", key, to)
		s.locksTable(key, accessExclusive)
		s.r.w.rename(key, schema+"."+to)
	case s.take("rename"):
		s.renameColumn(key, hot)
	case s.take("set schema"):
		to, _ := s.ident()
		_, base, _ := strings.Cut(key, ".")
		s.breaks(hot, "C02", "%s moves to the schema %s", key, to)
		s.locksTable(key, accessExclusive)
		s.r.w.rename(key, to+"."+base)
	case s.take("attach partition"):
		s.attach(key)
	case s.take("detach partition"):
		s.detach(key, hot)
	default:
		return false
	}
	return true
}

// breaks is find for what is in use.
func (s *stmt) breaks(hot bool, rule, format string, args ...any) {
	if hot {
		s.find(rule, format, args...)
	}
}

func (s *stmt) renameColumn(key string, hot bool) {
	s.take("column")
	from, _ := s.ident()
	if !s.take("to") {
		return
	}
	to, _ := s.ident()
	s.locksTable(key, accessExclusive)
	t := s.r.w.edit(key)
	s.breaks(hot && t.columns[from].file != s.r.w.file, "C02", "%s.%s is renamed to %s", key, from, to)
	if c, ok := t.columns[from]; ok {
		delete(t.columns, from)
		t.columns[to] = c
	}
	for n, c := range t.constraints {
		c.columns, c.expr = replaced(c.columns, from, to), renamed(c.expr, from, to)
		t.constraints[n] = c
	}
	for n, i := range s.r.w.indexes {
		if i.table == key {
			i.columns = replaced(i.columns, from, to)
			s.r.w.indexes[n] = i
		}
	}
}

func replaced(cols []string, from, to string) []string {
	if i := slices.Index(cols, from); i >= 0 {
		cols = slices.Clone(cols)
		cols[i] = to
	}
	return cols
}

func renamed(expr tokens, from, to string) tokens {
	expr = slices.Clone(expr)
	for i := range expr {
		if expr[i].Name() && expr[i].Text == from {
			expr[i].Text = to
		}
	}
	return expr
}

func (s *stmt) renameConstraint(key string, hot bool) {
	from, _ := s.ident()
	if !s.take("to") {
		return
	}
	to, _ := s.ident()
	t := s.r.w.edit(key)
	c, known := t.constraints[from]
	if known {
		delete(t.constraints, from)
		t.constraints[to] = c
	}
	s.locksTable(key, accessExclusive)
	s.breaks(hot && (!known || c.arbiter()), "C07", "%s of %s is renamed, and ON CONFLICT ON CONSTRAINT may name it", from, key)
}

// arbiter says whether ON CONFLICT can lean on a constraint.
func (c constraint) arbiter() bool {
	return c.kind == "unique" || c.kind == "primary" || c.kind == "exclude"
}

func (s *stmt) attach(key string) {
	n, ok := s.name()
	if !ok {
		return
	}
	bounds := s.rest()
	child := s.key(n)
	s.locksTable(key, shareUpdateExclusive)
	s.locksTable(child, accessExclusive)
	if !s.r.w.hot(child) {
		return
	}
	checks := 0
	for _, c := range s.r.w.look(child).constraints {
		if c.kind == "check" && c.valid {
			checks++
		}
	}
	if checks > 0 {
		s.trace("whether a CHECK of %s proves the bounds %q: else every row is checked", child, text(bounds))
		return
	}
	s.slow = "the rows of " + child + " are checked"
	s.find("L21", "%s is read under its lock; no validated CHECK of it is known", child)
}

func (s *stmt) detach(key string, hot bool) {
	n, ok := s.name()
	if !ok {
		return
	}
	child := s.key(n)
	switch {
	case s.take("concurrently"):
		s.notInTx("DETACH PARTITION CONCURRENTLY")
		s.locksTable(key, shareUpdateExclusive)
		if s.r.opts.Server.Major < 14 {
			s.find("L23", "CONCURRENTLY fails before PostgreSQL 14")
		}
		return
	case s.take("finalize"):
		s.locksTable(key, shareUpdateExclusive)
		return
	}
	s.locksTable(key, accessExclusive)
	s.locksTable(child, accessExclusive)
	s.breaks(hot, "L23", "%s and %s are locked for everybody", key, child)
}
