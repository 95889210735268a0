package lint

import "strings"

// createIndex reads CREATE INDEX.
func (s *stmt) createIndex(unique bool) {
	concurrently := s.take("concurrently")
	exists := s.take("if not exists")
	given := name{}
	if !s.is("on") {
		given, _ = s.name()
	}
	if !s.take("on") {
		return
	}
	only := s.take("only")
	on, ok := s.name()
	if !ok {
		return
	}
	key := s.key(on)
	if s.take("using") {
		s.ident()
	}
	list, _ := s.parens()
	i := index{table: key, unique: unique, columns: plainColumns(list), file: s.r.w.file}
	i.partial = s.indexTail()
	s.r.w.keepIndex(given.base, i)
	s.style("S15", len(split(list, ",")) > 3, "%d columns", len(split(list, ",")))
	s.judgeIndex(i, list, concurrently, exists, only)
}

// keepIndex remembers an index, under the name that PostgreSQL would choose where it has none.
func (w *world) keepIndex(given string, i index) {
	schema, base := cutKey(i.table)
	if given == "" {
		given = strings.Join(append([]string{base}, append(i.columns, "idx")...), "_")
	}
	w.indexes[schema+"."+given] = i
}

// indexTail passes what stands behind the columns.
func (s *stmt) indexTail() (partial bool) {
	for !s.done() {
		switch {
		case s.any("include", "with"):
			s.parens()
		case s.any("nulls not distinct", "nulls distinct"):
		case s.take("tablespace"):
			s.ident()
		case s.take("where"):
			s.rest()
			partial = true
		default:
			return partial
		}
	}
	return partial
}

func (s *stmt) judgeIndex(i index, list tokens, concurrently, exists, only bool) {
	t := s.r.w.look(i.table)
	hot := s.r.w.hot(i.table)
	if concurrently {
		s.concurrently(t, i.table, exists)
	}
	if !hot || s.r.w.known("materialized view", i.table) && !concurrently {
		return // nobody writes to a materialized view, and readers don't wait
	}
	if i.unique && !t.isNew(mentions(t, list), s.r.w.file) {
		s.find("C04", "the unique index may refuse what is written to %s now", i.table)
	}
	switch {
	case concurrently:
		s.locksTable(i.table, shareUpdateExclusive)
	case only && t.partitioned:
		s.locksTable(i.table, share) // for a moment: the partitions' indexes are attached later
	default:
		s.slow = i.table + " is read for an index"
		s.locksTable(i.table, share)
		s.find("L01", "nobody writes to %s until the index is built", i.table)
	}
}

func (s *stmt) concurrently(t *table, key string, exists bool) {
	s.notInTx("CREATE INDEX CONCURRENTLY")
	if t.partitioned {
		s.find("L04", "CONCURRENTLY on the partitioned %s fails; create it ON ONLY, and concurrently on each partition", key)
	}
	if exists {
		s.find("L05", "an INVALID index of this name stays as it is")
	}
	v := s.r.opts.Server
	s.style("S17", v.Major == 14 && v.Minor < 4, "CONCURRENTLY on PostgreSQL %s", v)
}

// alterIndex reads ALTER INDEX.
func (s *stmt) alterIndex() {
	s.take("if exists")
	n, ok := s.name()
	if !ok {
		return
	}
	key := s.r.w.key(n)
	switch {
	case s.take("rename to"):
		to, _ := s.ident()
		schema, _ := cutKey(key)
		if i, known := s.r.w.indexes[key]; known {
			delete(s.r.w.indexes, key)
			s.r.w.indexes[schema+"."+to] = i
		}
	case s.take("set tablespace"):
		s.ident()
		if i, known := s.r.w.indexes[key]; !known || s.r.w.hot(i.table) {
			s.slow = key + " is copied"
			s.find("L24", "%s is copied under its lock", key)
		}
	case s.any("set (", "reset (", "alter column", "attach partition", "depends on", "no depends on", "alter"):
		s.rest()
	}
}

// reindex reads REINDEX.
func (s *stmt) reindex() {
	concurrently := s.option("concurrently")
	what := s.peek().Text
	if !s.any("index", "table", "schema", "database", "system") {
		return
	}
	concurrently = s.take("concurrently") || concurrently
	n, ok := s.name()
	switch {
	case what == "index" || what == "table":
		if ok {
			s.reindexOne(what, n, concurrently)
		}
		return
	case !concurrently:
		s.find("L03", "every index of the %s is built anew under its lock", what)
	}
	s.notInTx("REINDEX " + strings.ToUpper(what))
}

func (s *stmt) reindexOne(what string, n name, concurrently bool) {
	key := s.r.w.key(n)
	i, known := s.r.w.indexes[key]
	if what == "table" {
		i.table, known = key, true
	}
	switch {
	case concurrently:
		s.notInTx("REINDEX CONCURRENTLY")
	case !known:
		s.slow = key + " is built anew"
		s.find("L03", "%s is built anew under its lock", key)
	case s.r.w.hot(i.table):
		s.slow = key + " is built anew"
		s.locksTable(i.table, share)
		s.find("L03", "%s is built anew, and nobody writes to %s", key, i.table)
	}
}

// keysWithoutIndex finds foreign keys of this file that no index serves, when the file is at its end.
func (r *run) keysWithoutIndex() {
	if !r.opts.Style {
		return
	}
	for _, key := range sortedKeys(r.w.tables) {
		t := r.w.tables[key]
		for _, n := range sortedKeys(t.constraints) {
			c := t.constraints[n]
			if c.kind == "foreign" && c.file == r.w.file && len(c.columns) > 0 && !r.w.serves(key, t, c.columns) {
				r.ofFile("S16", "no index of %s begins with the columns of %s", key, n)
			}
		}
	}
}

// serves says whether an index or a key begins with columns.
func (w *world) serves(key string, t *table, cols []string) bool {
	begins := func(of []string) bool {
		if len(of) < len(cols) {
			return false
		}
		for _, c := range of[:len(cols)] {
			if !contains(cols, c) {
				return false
			}
		}
		return true
	}
	for _, i := range w.indexes {
		if i.table == key && begins(i.columns) {
			return true
		}
	}
	for _, c := range t.constraints {
		if (c.kind == "primary" || c.kind == "unique") && begins(c.columns) {
			return true
		}
	}
	return false
}
