package lint

import (
	"slices"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// columnDef is a column as CREATE TABLE and ADD COLUMN write it.
type columnDef struct {
	name       string
	at         int // of the token
	typ        typ
	notNull    bool
	null       bool
	fallback   tokens // the expression of DEFAULT
	identity   string // always, by default
	generated  string // stored, virtual
	primary    bool
	unique     bool
	references name
	refColumns []string
	checks     []tokens
	checkNames []string
	given      string // the name that a CONSTRAINT gives to the next
}

// endsType says whether a token ends a type, or the expression of a default.
func endsType(t sqltoken.Token) bool {
	return t.Kind == sqltoken.Word && slices.Contains([]string{"constraint", "not", "null", "default", "generated", "primary", "unique", "references",
		"check", "collate", "compression", "storage", "deferrable", "initially", "using", "options", "as", "enforced", "no"}, t.Text)
}

// columnDef reads a name, a type and what follows. A column of a typed table or a partition has no type.
func (s *stmt) columnDef() (columnDef, bool) {
	c := columnDef{at: s.at}
	var ok bool
	if c.name, ok = s.ident(); !ok {
		return c, false
	}
	s.take("with options")
	c.typ = parseType(s.until(endsType))
	for !s.done() {
		if !s.columnPart(&c) {
			return c, false
		}
	}
	return c, true
}

// columnPart reads one constraint or option of a column.
func (s *stmt) columnPart(c *columnDef) bool {
	switch {
	case s.take("constraint"):
		c.given, _ = s.ident()
	case s.take("not null"):
		c.notNull = true
		s.take("no inherit")
	case s.take("null"):
		c.null = true
	case s.take("default"):
		c.fallback = s.expression()
	case s.take("primary key"):
		c.primary = true
		s.indexOptions()
	case s.take("unique"):
		c.unique = true
		s.any("nulls not distinct", "nulls distinct")
		s.indexOptions()
	case s.take("check"):
		return s.columnCheck(c)
	case s.take("references"):
		return s.columnReferences(c)
	case s.take("generated"):
		return s.columnGenerated(c)
	default:
		return s.columnOption()
	}
	return true
}

// columnOption passes what changes nothing for lint.
func (s *stmt) columnOption() bool {
	switch {
	case s.any("collate"):
		_, ok := s.name()
		return ok
	case s.any("compression", "storage"):
		_, ok := s.ident()
		return ok
	case s.take("options"):
		_, ok := s.parens()
		return ok
	}
	return s.timing()
}

// timing passes when a constraint is checked.
func (s *stmt) timing() bool {
	return s.any("deferrable", "not deferrable", "initially deferred", "initially immediate", "enforced", "not enforced")
}

// expression reads at least one token, and on to what can't be a part of it.
func (s *stmt) expression() tokens {
	from := s.at
	if !s.is("(") && !s.is("case") {
		s.at = min(s.at+1, len(s.toks))
	}
	s.until(endsType)
	return s.toks[from:s.at]
}

func (s *stmt) columnCheck(c *columnDef) bool {
	expr, ok := s.parens()
	s.take("no inherit")
	c.checks, c.checkNames = append(c.checks, expr), append(c.checkNames, c.given)
	c.given = ""
	return ok
}

func (s *stmt) columnReferences(c *columnDef) bool {
	var ok bool
	if c.references, ok = s.name(); !ok {
		return false
	}
	if s.is("(") {
		inner, _ := s.parens()
		c.refColumns = plainColumns(inner)
	}
	return s.keyActions()
}

// keyActions reads MATCH and ON DELETE of a foreign key.
func (s *stmt) keyActions() bool {
	for {
		switch {
		case s.any("match full", "match partial", "match simple"):
		case s.any("on delete", "on update"):
			if !s.any("cascade", "restrict", "no action", "set null", "set default") {
				return false
			}
			if s.is("(") {
				s.parens()
			}
		default:
			return true
		}
	}
}

func (s *stmt) columnGenerated(c *columnDef) bool {
	switch {
	case s.take("always as identity"):
		c.identity = "always"
	case s.take("by default as identity"):
		c.identity = "by default"
	case s.take("always as"):
		_, ok := s.parens()
		c.generated = "virtual"
		if s.take("stored") {
			c.generated = "stored"
		}
		s.take("virtual")
		return ok
	default:
		return false
	}
	if s.is("(") {
		s.parens()
	}
	return true
}

// indexOptions passes WITH (…) and USING INDEX TABLESPACE of a key.
func (s *stmt) indexOptions() {
	if s.take("include") {
		s.parens()
	}
	if s.take("with") {
		s.parens()
	}
	if s.take("using index tablespace") {
		s.ident()
	}
}

// plainColumns returns the names in a list of columns, nil where one is an expression.
func plainColumns(list tokens) []string {
	var out []string
	for _, e := range split(list, ",") {
		if len(e) == 0 || !e[0].Name() || len(e) > 1 && (e[1].Is("(") || e[1].Is(".")) {
			return nil
		}
		out = append(out, e[0].Text)
	}
	return out
}

// keepColumn remembers a column and its constraints.
func (s *stmt) keepColumn(key string, c columnDef) {
	t := s.r.w.edit(key)
	if c.typ.base == "" {
		c.typ = t.columns[c.name].typ // of a partition: the parent's
	}
	file := s.r.w.file
	t.columns[c.name] = column{typ: c.typ, notNull: c.notNull || c.primary || c.identity != "" || c.typ.serial(), file: file}
	cols := []string{c.name}
	if c.primary {
		t.add(key, "", constraint{kind: "primary", valid: true, columns: cols, file: file})
	}
	if c.unique {
		t.add(key, "", constraint{kind: "unique", valid: true, columns: cols, file: file})
	}
	for i, e := range c.checks {
		t.add(key, c.checkNames[i], constraint{kind: "check", valid: true, expr: e, columns: mentions(&table{complete: true, columns: t.columns}, e), file: file})
	}
	if c.references.base != "" {
		t.add(key, "", constraint{kind: "foreign", valid: true, columns: cols, ref: s.r.w.key(c.references), file: file})
	}
}

// columnStyle judges the taste of a column.
func (s *stmt) columnStyle(c columnDef) {
	s.mark = c.at
	b := c.typ.base
	s.style("S01", b == "integer" || b == "smallint" || b == "serial" || b == "serial4" || b == "smallserial" || b == "serial2", "%s is %s", c.name, b)
	s.style("S02", c.typ.serial(), "%s is %s", c.name, b)
	s.style("S03", b == "varchar" && len(c.typ.mods) > 0, "%s is %s", c.name, c.typ)
	s.style("S04", b == "char", "%s is %s", c.name, c.typ)
	s.style("S05", b == "timestamp", "%s is %s", c.name, c.typ)
	s.style("S06", b == "json", "%s is %s", c.name, c.typ)
}
