package lint

import (
	"slices"
	"strings"
)

// alterColumn reads ALTER COLUMN c and what is done to it.
func (a *alteration) alterColumn() {
	col, ok := a.ident()
	if !ok {
		return
	}
	switch {
	case a.any("set data type", "type"):
		a.changeType(col)
	case a.take("set not null"):
		a.setNotNull(col)
	case a.take("drop not null"):
		a.dropNotNull(col)
	case a.take("set default"), a.take("drop default"):
		a.rest()
	case a.take("add generated"), a.take("set generated"):
		a.identity(col)
	case a.any("drop identity", "drop expression"):
		a.take("if exists")
	case a.take("set expression"):
		a.rest()
		if a.hot {
			a.slow = a.key + " is written anew"
			a.find("L20", "the new expression of %s.%s is computed for every row", a.key, col)
			a.find("C08", "%s.%s has another expression", a.key, col)
		}
	case a.any("set statistics", "set (", "reset ("):
		a.mode = shareUpdateExclusive
		a.rest()
	case a.any("set storage", "set compression", "restart", "set increment", "set start", "set minvalue", "set maxvalue", "set no", "set cache", "set cycle"):
		a.rest()
	}
}

func (a *alteration) setNotNull(col string) {
	if a.hot {
		a.notNull(a.key, col)
		return
	}
	t := a.r.w.edit(a.key)
	c := t.columns[col]
	c.notNull = true
	t.columns[col] = c
}

func (a *alteration) dropNotNull(col string) {
	t := a.r.w.edit(a.key)
	c := t.columns[col]
	c.notNull = false
	t.columns[col] = c
	a.breaks(a.hot && c.file != a.r.w.file, "C05", "%s.%s may be NULL from now on", a.key, col)
}

func (a *alteration) identity(col string) {
	always := a.take("always")
	a.take("by default")
	if a.take("as identity") && a.is("(") {
		a.parens()
	}
	a.breaks(a.hot && always && a.r.w.look(a.key).columns[col].file != a.r.w.file, "C08", "%s.%s is GENERATED ALWAYS from now on", a.key, col)
}

// changeType judges ALTER COLUMN c TYPE t.
func (a *alteration) changeType(col string) {
	to := parseType(a.until(endsType))
	if a.take("collate") {
		a.name()
		to.odd = true
	}
	var using tokens
	if a.take("using") {
		using = a.rest()
	}
	t := a.r.w.edit(a.key)
	c := t.columns[col]
	from := c.typ
	c.typ = to
	t.columns[col] = c
	if !a.hot {
		return
	}
	what := compare(from, to, a.r.utc)
	if len(using) > 0 && what != unknown && !plainCast(using, col, to) {
		what = rewrite
	}
	if what == relabelled && from.base != to.base && strings.HasPrefix(to.base, "timestamp") && a.r.w.indexed(a.key, col) {
		what = rewrite // of the indexes: they order by another operator class
	}
	a.judgeType(col, from, to, what)
}

// plainCast says whether USING only says what would be done without it.
func plainCast(using tokens, col string, to typ) bool {
	r := reader{toks: unwrap(using)}
	if c, ok := r.ident(); !ok || c != col {
		return false
	}
	return r.done() || r.take(": :") && parseType(r.rest()).String() == to.String()
}

func (a *alteration) judgeType(col string, from, to typ, what change) {
	switch what {
	case unchanged:
		return
	case unknown:
		a.trace("whether %s.%s is written anew as %s: its type before isn't known", a.key, col, to)
	case rewrite:
		a.slow = a.key + " is written anew"
		a.find("L16", "%s.%s from %s to %s: the table or its indexes are written anew", a.key, col, from, to)
	case relabelled:
		if name := a.r.w.look(a.key).about(col); name != "" {
			a.slow = "the rows of " + a.key + " are checked"
			a.find("L17", "%s is checked again for every row", name)
		}
	}
	if what == unknown || !readsAlike(from, to) {
		a.find("C06", "%s.%s is %s from now on", a.key, col, to)
	}
}

// readsAlike says whether who reads and writes the type before goes on as before.
func readsAlike(from, to typ) bool {
	kind := func(t typ) string { return strings.Replace(t.base, "varchar", "text", 1) }
	return kind(from) == kind(to) && from.dims == to.dims && widerOrEqual(from, to)
}

func widerOrEqual(from, to typ) bool {
	return from.base == "text" && to.String() == "varchar" || to.base == "text" || from.base == to.base && widened(from, to) == relabelled
}

// indexed says whether an index or a key is about a column, or may be.
func (w *world) indexed(key, col string) bool {
	for _, i := range w.indexes {
		if i.table == key && (i.columns == nil || contains(i.columns, col)) {
			return true
		}
	}
	for _, c := range w.look(key).constraints {
		if c.arbiter() && contains(c.columns, col) {
			return true
		}
	}
	return false
}

// about returns the name of a check or foreign key that is about a column.
func (t *table) about(col string) string {
	var names []string
	for n, c := range t.constraints {
		if (c.kind == "check" || c.kind == "foreign") && slices.Contains(c.columns, col) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (a *alteration) validate() {
	a.mode = shareUpdateExclusive
	n, ok := a.ident()
	if !ok {
		return
	}
	t := a.r.w.edit(a.key)
	if c, known := t.constraints[n]; known {
		c.valid = true
		t.constraints[n] = c
	}
	if !a.hot {
		return
	}
	a.slow = "the rows of " + a.key + " are checked"
	if a.r.tx.pending[a.key+" "+n] {
		a.find("L10", "%s was added in the same transaction, whose lock is held over the scan", n)
	}
}

func (a *alteration) dropConstraint() {
	a.take("if exists")
	n, ok := a.ident()
	if !ok {
		return
	}
	a.any("cascade", "restrict")
	t := a.r.w.edit(a.key)
	c, known := t.constraints[n]
	delete(t.constraints, n)
	if known {
		c.file = a.r.w.file
		t.dropped[n] = c
	}
	if c.ref != "" {
		a.locksTable(c.ref, accessExclusive)
	}
	switch {
	case known && c.arbiter():
		a.breaks(a.hot, "C07", "%s of %s keeps duplicates out", n, a.key)
	case !known && !strings.HasSuffix(n, "_check") && !strings.HasSuffix(n, "_fkey"):
		a.breaks(a.hot, "C07", "%s of %s may keep duplicates out; the files before don't make it", n, a.key)
	}
}

func (a *alteration) dropColumn() {
	a.take("if exists")
	col, ok := a.ident()
	if !ok {
		return
	}
	a.any("cascade", "restrict")
	t := a.r.w.edit(a.key)
	c := t.columns[col]
	delete(t.columns, col)
	for n, k := range t.constraints {
		if !slices.Contains(k.columns, col) {
			continue
		}
		delete(t.constraints, n)
		if k.ref != "" {
			a.locksTable(k.ref, accessExclusive)
		}
	}
	a.breaks(a.hot && c.file != a.r.w.file, "C01", "%s.%s goes", a.key, col)
}

func upper(toks tokens) string { return strings.ToUpper(text(toks)) }

// typeKey is the name that w knows a type by.
func (w *world) typeKey(base string) string {
	if schema, n, ok := strings.Cut(base, "."); ok {
		return w.key(name{schema, n})
	}
	return w.schema + "." + base
}
