package lint

import "maps"

func createForms() []form {
	temporary := func(s *stmt) { s.createTable(true) }
	plain := func(s *stmt) { s.createTable(false) }
	return []form{
		{"table", plain}, {"unlogged table", plain}, {"foreign table", plain},
		{"temporary table", temporary}, {"temp table", temporary}, {"local temporary table", temporary}, {"local temp table", temporary},
		{"global temporary table", temporary}, {"global temp table", temporary},
		{"unique index", func(s *stmt) { s.createIndex(true) }}, {"index", func(s *stmt) { s.createIndex(false) }},
		{"materialized view", func(s *stmt) { s.createView("materialized view") }},
		{"view", func(s *stmt) { s.createView("view") }}, {"recursive view", func(s *stmt) { s.createView("view") }},
		{"temporary view", additive}, {"temp view", additive},
		{"function", func(s *stmt) { s.makes("function") }}, {"procedure", func(s *stmt) { s.makes("function") }},
		{"aggregate", func(s *stmt) { s.makes("function") }},
		{"constraint trigger", (*stmt).createTrigger}, {"trigger", (*stmt).createTrigger}, {"rule", (*stmt).createRule},
		{"type", (*stmt).createType}, {"domain", (*stmt).createDomain},
		{"sequence", func(s *stmt) { s.makes("sequence") }}, {"unlogged sequence", func(s *stmt) { s.makes("sequence") }},
		{"temporary sequence", additive}, {"temp sequence", additive},
		{"schema", (*stmt).createSchema}, {"policy", (*stmt).policy}, {"extension", additive}, {"statistics", additive},
		{"collation", additive}, {"server", additive}, {"foreign data wrapper", additive}, {"user mapping", additive},
		{"text search", additive}, {"role", additive}, {"user", additive}, {"group", additive},
		{"database", (*stmt).alone}, {"tablespace", (*stmt).alone},
	}
}

// makes reads a statement that makes an object of a kind, and remembers it.
func (s *stmt) makes(kind string) {
	s.take("if not exists")
	n, ok := s.name()
	if !ok {
		return
	}
	s.r.w.made(kind, s.key(n))
	s.rest()
}

// alone reads a statement that the server refuses in a transaction.
func (s *stmt) alone() {
	s.rest()
	s.notInTx(upper(s.toks[:min(2, len(s.toks))]))
}

func (s *stmt) notInTx(what string) {
	if s.r.tx.open {
		s.find("L04", "%s in a transaction fails", what)
	}
}

// createTable reads CREATE TABLE in all of its forms.
func (s *stmt) createTable(temporary bool) {
	s.several = true
	exists := s.take("if not exists")
	s.style("S11", !exists && !s.r.tx.open, "CREATE TABLE without IF NOT EXISTS")
	n, ok := s.name()
	if !ok {
		return
	}
	if temporary {
		n.schema = "pg_temp"
	}
	key := s.r.w.key(n)
	s.style("S09", n.schema == "", "%s has no schema", n.base)
	if exists && s.r.w.tables[key] != nil {
		s.rest() // it is there, and nothing happens
		return
	}
	s.r.w.drop(key)
	t := s.r.w.edit(key)
	t.file, t.temporary, t.complete = s.r.w.file, temporary, true
	s.r.w.made("table", key)
	switch {
	case s.take("partition of"):
		s.partitionOf(key)
	case s.take("of"):
		s.name()
		t.complete = false
	}
	if s.is("(") {
		inner, _ := s.parens()
		s.tableElements(key, inner)
	}
	s.tableOptions(key)
}

func (s *stmt) partitionOf(key string) {
	n, ok := s.name()
	if !ok {
		return
	}
	parent := s.key(n)
	s.r.w.edit(key).columns = maps.Clone(s.r.w.look(parent).columns)
	if s.r.w.edit(key).columns == nil {
		s.r.w.edit(key).columns = map[string]column{}
	}
	s.r.w.edit(key).complete = false
	s.locksTable(parent, accessExclusive)
	if s.r.w.hot(parent) {
		s.find("L22", "%s is locked to make a partition of it", parent)
	}
}

// tableOptions reads what stands behind the columns.
func (s *stmt) tableOptions(key string) {
	for !s.done() {
		switch {
		case s.take("partition by"):
			s.r.w.edit(key).partitioned = true
			s.ident()
			s.parens()
		case s.any("for values", "default"):
			s.rest()
		case s.take("inherits"):
			s.parens()
			s.r.w.edit(key).complete = false
		case s.any("using", "tablespace", "server"):
			s.ident()
		case s.any("with", "options"):
			s.parens()
		case s.any("without oids", "on commit drop", "on commit delete rows", "on commit preserve rows"):
		case s.take("as"):
			s.r.w.edit(key).complete = false
			s.fills(s.rest())
		default:
			return
		}
	}
}

// fills judges a query whose rows are written into a new table or view.
func (s *stmt) fills(query tokens) {
	s.bulk = true
	s.callsOf(query)
}

// tableElements reads the columns and constraints of a new table.
func (s *stmt) tableElements(key string, inner tokens) {
	t := s.r.w.edit(key)
	var later []tokens
	for _, e := range split(inner, ",") {
		r := reader{toks: e}
		switch {
		case len(e) == 0:
			s.trace("an empty element of %s", key)
		case r.take("like"):
			t.complete = false
		case startsConstraint(&r):
			later = append(later, e) // they may be about columns behind them
		default:
			s.newColumn(key, e)
		}
	}
	for _, e := range later {
		s.within(e, func() { s.tableConstraint(key, false) })
	}
}

// newColumn reads a column of a new table.
func (s *stmt) newColumn(key string, e tokens) {
	s.within(e, func() {
		c, ok := s.columnDef()
		if !ok {
			s.trace("a column of %s isn't understood", key)
			s.rest()
			return
		}
		s.columnStyle(c)
		s.keepColumn(key, c)
		if c.references.base != "" {
			s.refers(c.references)
		}
	})
}

// within reads a piece of the statement with all that a statement knows, and asks for a trace where something is left over.
func (s *stmt) within(piece tokens, read func()) {
	outer := s.reader
	s.reader = reader{toks: piece}
	mark := s.mark
	s.mark = 0
	read()
	if !s.done() {
		s.mark = s.at
		s.trace("%q isn't understood here", s.peek().Text)
	}
	s.reader, s.mark = outer, mark
}

// refers notes the lock on the other table of a foreign key.
func (s *stmt) refers(n name) string {
	key := s.key(n)
	s.locksTable(key, shareRowExclusive)
	return key
}
