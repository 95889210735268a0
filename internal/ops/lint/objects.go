package lint

import (
	"maps"
	"slices"
	"strings"
)

func contains(all []string, s string) bool { return slices.Contains(all, s) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func cutKey(key string) (schema, base string) {
	schema, base, _ = strings.Cut(key, ".")
	return schema, base
}

// createView reads CREATE VIEW and CREATE MATERIALIZED VIEW.
func (s *stmt) createView(kind string) {
	exists := s.take("if not exists")
	n, ok := s.name()
	if !ok {
		return
	}
	key := s.key(n)
	old := s.replace && !s.r.w.isNew(kind, key)
	if exists && s.r.w.known(kind, key) {
		s.rest()
		return
	}
	s.r.w.made(kind, key)
	if !s.r.w.known("table", key) && !old {
		t := s.r.w.edit(key)
		t.file, t.view = s.r.w.file, true
	}
	query := s.rest()
	if old {
		s.locks = append(s.locks, lock{key, accessExclusive})
		s.find("L27", "%s is locked for everybody, for a moment", key)
	}
	if kind == "materialized view" && !endsWithNoData(query) {
		s.fills(query)
	}
}

func endsWithNoData(query tokens) bool {
	r := reader{toks: query, at: max(0, len(query)-3)}
	return r.is("with no data")
}

// refresh reads REFRESH MATERIALIZED VIEW.
func (s *stmt) refresh() {
	concurrently := s.take("concurrently")
	n, ok := s.name()
	if !ok {
		return
	}
	s.any("with data", "with no data")
	if s.isNew("materialized view", n) {
		return
	}
	key := s.key(n)
	m := accessExclusive
	if concurrently {
		m = exclusive
	}
	s.locks = append(s.locks, lock{key, m})
	s.slow = key + " is computed"
	if !concurrently {
		s.find("L25", "nobody reads %s until it is computed", key)
	}
}

// alterObject reads ALTER of what has a name, an owner and options.
func (s *stmt) alterObject(kind string) {
	s.take("if exists")
	n, ok := s.name()
	if !ok {
		return
	}
	if s.is("(") {
		s.parens()
	}
	fresh := s.isNew(kind, n) || kind == "schema" && s.isNew(kind, name{base: n.base})
	switch {
	case s.take("rename to"):
		to, _ := s.ident()
		s.breaks(!fresh, "C02", "the %s %s is renamed to %s", kind, n, to)
	case s.take("set schema"):
		to, _ := s.ident()
		s.breaks(!fresh, "C02", "the %s %s moves to the schema %s", kind, n, to)
	case s.take("owner to"):
		s.rest()
		s.breaks(!fresh, "C09", "the %s %s changes its owner", kind, n)
	case kind == "schema":
	default:
		s.rest()
	}
}

// alterView reads ALTER VIEW.
func (s *stmt) alterView() {
	s.take("if exists")
	n, ok := s.name()
	if !ok {
		return
	}
	s.viewChanges("view", n)
}

func (s *stmt) viewChanges(kind string, n name) {
	fresh := s.isNew(kind, n)
	if !fresh {
		s.locksView(kind, s.r.w.key(n))
	}
	switch {
	case s.any("rename to", "rename column", "rename", "set schema"):
		s.rest()
		s.breaks(!fresh, "C02", "the %s %s, or a column of it, is renamed", kind, n)
	case s.take("owner to"):
		s.rest()
		s.breaks(!fresh, "C09", "the %s %s changes its owner", kind, n)
	case s.any("set (", "reset ("):
		options := s.rest()
		security := slices.ContainsFunc(options, func(t token) bool { return t.Is("security_invoker") || t.Is("security_barrier") })
		s.breaks(!fresh && security, "C09", "%s is read with other rights", n)
	case s.take("alter"):
		s.rest() // a default
	}
}

// alterMatview reads ALTER MATERIALIZED VIEW.
func (s *stmt) alterMatview() {
	s.take("if exists")
	n, ok := s.name()
	if !ok {
		return
	}
	switch {
	case s.any("set tablespace", "set access method"):
		s.ident()
		if !s.isNew("materialized view", n) {
			s.slow = n.base + " is written anew"
			s.find("L24", "%s is written anew under its lock", n)
		}
	case s.any("cluster on", "set without cluster", "depends on", "no depends on"):
		s.rest()
	default:
		s.viewChanges("materialized view", n)
	}
}

// createSchema reads CREATE SCHEMA without what it can hold.
func (s *stmt) createSchema() {
	s.take("if not exists")
	if !s.is("authorization") {
		n, ok := s.ident()
		if !ok {
			return
		}
		s.r.w.made("schema", s.r.w.schema+"."+n)
	}
	if s.take("authorization") {
		s.ident()
	}
}

// createTrigger reads CREATE TRIGGER.
func (s *stmt) createTrigger() {
	s.ident()
	early := s.is("before") || s.is("instead of")
	s.until(func(t token) bool { return t.Is("on") })
	if !s.take("on") {
		return
	}
	key, ok := s.lastTable(shareRowExclusive)
	if !ok {
		return
	}
	if !s.r.w.hot(key) {
		return
	}
	s.find("L26", "nobody writes to %s, for a moment", key)
	if early {
		s.find("C10", "it may change or swallow what is written to %s", key)
	}
}

// lastTable reads the name of the table that a statement is about, behind which only what matters to nobody follows, and its lock.
func (s *stmt) lastTable(lock mode) (key string, ok bool) {
	n, ok := s.name()
	if !ok {
		return "", false
	}
	s.rest()
	key = s.key(n)
	s.locksTable(key, lock)
	return key, true
}

// createRule reads CREATE RULE, which rewrites what others write.
func (s *stmt) createRule() {
	s.ident()
	s.until(func(t token) bool { return t.Is("to") })
	if !s.take("to") {
		return
	}
	key, ok := s.lastTable(accessExclusive)
	if !ok {
		return
	}
	s.breaks(s.r.w.hot(key), "C10", "the rule changes what is written to %s, or read", key)
}

// policy reads CREATE, ALTER and DROP POLICY.
func (s *stmt) policy() {
	s.take("if exists")
	s.ident()
	if !s.take("on") {
		return
	}
	key, ok := s.lastTable(accessExclusive)
	if !ok {
		return
	}
	s.breaks(s.r.w.hot(key), "C09", "other rows of %s can be seen and written", key)
}

// revoke reads REVOKE. On what this file made, nobody has had a right.
func (s *stmt) revoke() {
	s.until(func(t token) bool { return t.Is("on") || t.Is("from") })
	fresh := false
	if s.take("on") {
		kind := "table"
		for _, k := range []string{"table", "sequence", "function", "procedure", "schema", "type", "domain"} {
			if s.take(k) {
				kind = strings.Replace(strings.Replace(k, "procedure", "function", 1), "domain", "type", 1)
			}
		}
		n, ok := s.name()
		fresh = ok && (s.isNew(kind, n) || kind == "table" && s.isNew("view", n))
		r := s.reader
		r.until(func(t token) bool { return t.Is(",") || t.Is("from") })
		fresh = fresh && r.is("from") // one name alone
	}
	s.rest()
	s.breaks(!fresh, "C09", "a right is taken away")
}

func (s *stmt) reassign() {
	s.rest()
	s.find("C09", "everything that a role owns changes its owner")
}

func (s *stmt) defaultPrivileges() {
	if slices.ContainsFunc(s.rest(), func(t token) bool { return t.Is("revoke") }) {
		s.find("C09", "what is made from now on has fewer rights")
	}
}

// createType reads CREATE TYPE.
func (s *stmt) createType() {
	n, ok := s.name()
	if !ok {
		return
	}
	kind := "composite"
	if s.is("as enum") {
		kind = "enum"
		s.style("S07", true, "%s is an enum", n)
	}
	s.style("S09", n.schema == "", "%s has no schema", n.base)
	s.rest()
	s.r.w.made("type", s.r.w.key(n))
	s.r.w.types[s.r.w.key(n)] = userType{kind: kind, file: s.r.w.file}
}

// createDomain reads CREATE DOMAIN.
func (s *stmt) createDomain() {
	n, ok := s.name()
	if !ok {
		return
	}
	body := s.rest()
	constrained := slices.ContainsFunc(body, func(t token) bool { return t.Is("check") || t.Is("not") })
	s.style("S08", constrained, "the domain %s has a constraint", n)
	s.r.w.made("type", s.r.w.key(n))
	s.r.w.types[s.r.w.key(n)] = userType{kind: "domain", constrained: constrained, file: s.r.w.file}
}

// alterType reads ALTER TYPE.
func (s *stmt) alterType() {
	n, ok := s.name()
	if !ok {
		return
	}
	hot := !s.isNew("type", n)
	switch {
	case s.take("add value"):
		s.addValue(n, hot)
	case s.take("rename value"):
		s.rest()
		s.breaks(hot, "C02", "a value of %s is renamed", n)
	case s.any("rename to", "rename attribute", "set schema"):
		s.rest()
		s.breaks(hot, "C02", "%s, or an attribute of it, is renamed", n)
	case s.take("owner to"):
		s.rest()
		s.breaks(hot, "C09", "%s changes its owner", n)
	case s.take("set ("):
		s.rest()
	case s.any("add attribute", "drop attribute", "alter attribute"):
		s.attributes(n, hot)
	}
}

func (s *stmt) addValue(n name, hot bool) {
	s.take("if not exists")
	value := s.peek()
	s.at = min(s.at+1, len(s.toks))
	if s.any("before", "after") {
		s.at = min(s.at+1, len(s.toks))
	}
	if hot {
		s.r.tx.enums[value.Text] = true
		s.find("C11", "'%s' is new in %s", value.Text, n)
	}
}

func (s *stmt) attributes(n name, hot bool) {
	verb := s.toks[s.at-2]
	s.rest()
	if !hot {
		return
	}
	switch {
	case verb.Is("drop"):
		s.find("C01", "an attribute of %s goes", n)
	case verb.Is("alter"):
		s.find("C06", "an attribute of %s has another type", n)
	}
	s.trace("which tables have columns of the type %s", n)
}

// alterDomain reads ALTER DOMAIN, which checks every column of the domain.
func (s *stmt) alterDomain() {
	n, ok := s.name()
	if !ok {
		return
	}
	fresh := s.isNew("type", n)
	switch {
	case s.any("add constraint", "add check", "add"):
		body := s.rest()
		tail := reader{toks: body, at: max(0, len(body)-2)}
		s.style("S08", true, "the domain %s has a constraint", n)
		if !fresh {
			s.find("C04", "the domain %s may refuse what is written now", n)
		}
		if !fresh && !tail.is("not valid") {
			s.slow = "every column of " + n.String() + " is checked"
			s.find("L08", "every column of %s is checked", n)
		}
	case s.take("set not null"):
		if !fresh {
			s.slow = "every column of " + n.String() + " is checked"
			s.find("L11", "every column of %s is checked", n)
			s.find("C04", "the domain %s may refuse what is written now", n)
		}
	case s.take("validate constraint"):
		s.ident()
		s.slow = "every column of " + n.String() + " is checked"
		s.breaks(!fresh, "L08", "every column of %s is checked, and nobody writes to its tables", n)
	case s.take("drop not null"):
		s.breaks(!fresh, "C05", "%s may be NULL from now on", n)
	case s.any("rename to", "rename constraint", "set schema"):
		s.rest()
		s.breaks(!fresh, "C02", "the domain %s is renamed", n)
	case s.take("owner to"):
		s.rest()
		s.breaks(!fresh, "C09", "the domain %s changes its owner", n)
	case s.any("set default", "drop default", "drop constraint"):
		s.rest()
	}
}
