package lint

import (
	"maps"
	"slices"
	"strings"
)

func dropForms() []form {
	of := func(kind string) func(*stmt) { return func(s *stmt) { s.drop(kind) } }
	return []form{
		{"table", (*stmt).dropTable}, {"foreign table", (*stmt).dropTable},
		{"index", (*stmt).dropIndex},
		{"materialized view", of("materialized view")}, {"view", of("view")}, {"sequence", of("sequence")}, {"schema", of("schema")},
		{"type", of("type")}, {"domain", of("type")}, {"extension", of("extension")},
		{"function", of("function")}, {"procedure", of("function")}, {"routine", of("function")}, {"aggregate", of("function")},
		{"trigger", (*stmt).dropTrigger}, {"rule", (*stmt).dropTrigger}, {"policy", (*stmt).policy},
		{"owned by", (*stmt).dropOwned}, {"database", (*stmt).dropDatabase}, {"tablespace", (*stmt).alone},
		{"statistics", additive}, {"publication", (*stmt).dropReplication}, {"subscription", (*stmt).dropReplication},
	}
}

// dropReplication needs a trace: who reads the stream, the text doesn't show.
func (s *stmt) dropReplication() {
	s.trace("who reads what is replicated")
	s.rest()
}

// dropTable reads DROP TABLE, which also locks the tables that its foreign keys refer to.
func (s *stmt) dropTable() {
	s.several = true
	exists := s.take("if exists")
	s.style("S11", !exists && !s.r.tx.open, "DROP TABLE without IF EXISTS")
	for {
		s.mark = s.at
		n, ok := s.name()
		if !ok {
			return
		}
		key := s.key(n)
		s.locksTable(key, accessExclusive)
		for _, ref := range s.r.w.look(key).refs() {
			s.locksTable(ref, accessExclusive)
		}
		s.breaks(s.r.w.hot(key), "C01", "the table %s goes", key)
		s.r.w.drop(key)
		if !s.take(",") {
			break
		}
	}
	s.any("cascade", "restrict")
}

// refs returns the other tables of the foreign keys, each once.
func (t *table) refs() []string {
	var out []string
	for _, c := range t.constraints {
		if c.ref != "" && !slices.Contains(out, c.ref) {
			out = append(out, c.ref)
		}
	}
	slices.Sort(out)
	return out
}

// drop reads DROP of other objects that a release may use.
func (s *stmt) drop(kind string) {
	exists := s.take("if exists")
	s.style("S11", !exists && !s.r.tx.open, "DROP without IF EXISTS")
	for {
		s.mark = s.at
		n, ok := s.name()
		if !ok {
			return
		}
		if s.is("(") {
			s.parens() // of a function
		}
		if kind == "schema" {
			n.schema = ""
		}
		key := s.r.w.key(n)
		s.style("S09", kind != "schema" && kind != "extension" && n.schema == "", "%s has no schema", n.base)
		if !s.r.w.isNew(kind, key) {
			s.find("C01", "the %s %s goes", kind, n)
			s.locksView(kind, key)
		}
		delete(s.r.w.objects, kind+" "+key)
		switch kind {
		case "type":
			delete(s.r.w.types, key)
		case "schema":
			s.r.w.dropsTables(n.base)
		}
		if !s.take(",") {
			break
		}
	}
	s.any("cascade", "restrict")
}

// locksView notes that readers of a view wait. Other objects than views aren't locked in a way that queries notice.
func (s *stmt) locksView(kind, key string) {
	if kind == "view" || kind == "materialized view" {
		s.locks = append(s.locks, lock{key, accessExclusive})
	}
}

// dropTrigger reads DROP TRIGGER and DROP RULE, which lock the table.
func (s *stmt) dropTrigger() {
	s.take("if exists")
	s.ident()
	if !s.take("on") {
		return
	}
	n, ok := s.name()
	if !ok {
		return
	}
	s.locksTable(s.key(n), accessExclusive)
	s.any("cascade", "restrict")
}

func (s *stmt) dropOwned() {
	s.rest()
	s.find("C01", "everything that a role owns goes")
}

func (s *stmt) dropDatabase() {
	s.alone()
	s.style("S14", true, "a database goes")
	s.find("C01", "a database goes")
}

// dropIndex reads DROP INDEX.
func (s *stmt) dropIndex() {
	concurrently := s.take("concurrently")
	exists := s.take("if exists")
	s.style("S11", !exists && !s.r.tx.open, "DROP INDEX without IF EXISTS")
	if concurrently {
		s.notInTx("DROP INDEX CONCURRENTLY")
	}
	for {
		s.mark = s.at
		n, ok := s.name()
		if !ok {
			return
		}
		s.dropsIndex(s.r.w.key(n), concurrently)
		if !s.take(",") {
			break
		}
	}
	s.any("cascade", "restrict")
}

func (s *stmt) dropsIndex(key string, concurrently bool) {
	i, known := s.r.w.indexes[key]
	delete(s.r.w.indexes, key)
	if known && !s.r.w.hot(i.table) {
		return
	}
	on := i.table
	if !known {
		on = "the table of " + key
	}
	if concurrently {
		s.locks = append(s.locks, lock{on, shareUpdateExclusive})
	} else {
		s.locks = append(s.locks, lock{on, accessExclusive})
		s.find("L02", "%s is locked for everybody", on)
	}
	if known && i.unique && i.file != s.r.w.file {
		s.find("C07", "%s keeps duplicates out", key)
	}
}

// dropsTables forgets the tables of a schema.
func (w *world) dropsTables(schema string) {
	for k := range maps.Clone(w.tables) {
		if strings.HasPrefix(k, schema+".") {
			w.drop(k)
		}
	}
}
