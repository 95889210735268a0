package lint

import "slices"

// alteration is one action of ALTER TABLE.
type alteration struct {
	*stmt
	key  string
	hot  bool
	only bool
	mode mode // that the action takes
}

// read judges the action.
func (a *alteration) read() {
	for _, f := range a.forms() {
		if a.take(f.words) {
			f.judge()
			return
		}
	}
	a.trace("%q isn't an action that lint knows", a.peek().Text)
	a.rest()
}

type action struct {
	words string
	judge func()
}

func (a *alteration) forms() []action {
	brief := func() { a.rest() }
	light := func(m mode) func() { return func() { a.mode = m; a.rest() } }
	return []action{
		{"add column", a.addColumn}, {"add", a.add},
		{"drop constraint", a.dropConstraint}, {"drop column", a.dropColumn}, {"drop", a.dropColumn},
		{"alter constraint", a.alterConstraint}, {"alter column", a.alterColumn}, {"alter", a.alterColumn},
		{"validate constraint", a.validate},
		{"set logged", a.rewrites}, {"set unlogged", a.rewrites}, {"set tablespace", a.rewrites}, {"set access method", a.rewrites},
		{"set (", light(shareUpdateExclusive)}, {"reset (", light(shareUpdateExclusive)},
		{"set without cluster", light(shareUpdateExclusive)}, {"set without oids", brief}, {"cluster on", light(shareUpdateExclusive)},
		{"enable trigger", a.togglesTrigger}, {"disable trigger", a.togglesTrigger}, {"enable always trigger", a.togglesTrigger}, {"enable replica trigger", a.togglesTrigger},
		{"enable row level security", a.security}, {"force row level security", a.security},
		{"disable row level security", brief}, {"no force row level security", brief},
		{"owner to", a.owner}, {"replica identity", brief}, {"inherit", brief}, {"no inherit", brief}, {"options", brief},
	}
}

func (a *alteration) rewrites() {
	what := upper(a.toks[a.at-2 : a.at])
	a.rest()
	if a.hot {
		a.slow = a.key + " is written anew"
		a.find("L24", "%s writes %s anew under its lock", what, a.key)
	}
}

// togglesTrigger needs a trace: what the trigger does, the text doesn't show.
func (a *alteration) togglesTrigger() {
	a.mode = shareRowExclusive
	a.rest()
	if a.hot {
		a.trace("what the trigger of %s does, or did, for the release that runs now", a.key)
	}
}

func (a *alteration) security() {
	a.rest()
	a.breaks(a.hot, "C09", "rows of %s may not be seen any more without a policy", a.key)
}

func (a *alteration) owner() {
	a.rest()
	a.breaks(a.hot, "C09", "%s changes its owner", a.key)
}

func (a *alteration) alterConstraint() {
	a.ident()
	if a.is("enforced") {
		a.slow = "the rows of " + a.key + " are checked"
		a.trace("which rows ENFORCED checks")
	}
	for a.timing() || a.any("inherit", "no inherit") {
		continue
	}
}

func (a *alteration) add() {
	r := a.reader
	if startsConstraint(&r) {
		a.addConstraint()
		return
	}
	a.addColumn()
}

func (a *alteration) addConstraint() {
	if a.lighter() {
		a.mode = shareRowExclusive
	}
	a.tableConstraint(a.key, a.hot)
}

// lighter says whether the constraint is a foreign key, whose lock lets readers pass.
func (a *alteration) lighter() bool {
	r := a.reader
	if r.take("constraint") {
		r.ident()
	}
	return r.is("foreign key")
}

func (a *alteration) addColumn() {
	exists := a.take("if not exists")
	a.style("S11", !exists && !a.r.tx.open, "ADD COLUMN without IF NOT EXISTS")
	c, ok := a.columnDef()
	if !ok {
		a.trace("a column of %s isn't understood", a.key)
		a.rest()
		return
	}
	a.columnStyle(c)
	a.mark = c.at
	if _, there := a.r.w.look(a.key).columns[c.name]; there && exists {
		return
	}
	a.keepColumn(a.key, c)
	if c.references.base != "" {
		a.refers(c.references)
	}
	if !a.hot {
		return
	}
	a.find("C12", "%s.%s comes into every SELECT *", a.key, c.name)
	a.columnValue(c)
	a.columnRules(c)
	if (c.notNull || c.primary) && len(c.fallback) == 0 && c.identity == "" && c.generated == "" && !c.typ.serial() {
		a.find("C03", "%s.%s is NOT NULL and has no default", a.key, c.name)
	}
}

// columnValue judges where the rows that are there get a new column's value from.
func (a *alteration) columnValue(c columnDef) {
	rewrite := func(rule, why string) {
		a.slow = a.key + " is written anew"
		a.find(rule, "%s.%s %s: %s is written anew", a.key, c.name, why, a.key)
	}
	switch {
	case c.typ.serial():
		rewrite("L19", "is "+c.typ.base)
	case c.identity != "":
		rewrite("L19", "is an identity")
	case c.generated == "stored":
		rewrite("L20", "is stored")
	case c.generated == "virtual" && a.r.opts.Server.Major < 18:
		a.find("L20", "%s.%s is VIRTUAL, which fails before PostgreSQL 18", a.key, c.name)
	default:
		a.domain(c)
		a.fallback(c, rewrite)
	}
}

// domain judges a type that the server doesn't have by itself: a domain with a constraint has every row written.
func (a *alteration) domain(c columnDef) {
	if c.typ.known() && c.typ.builtin() || c.typ.base == "interval" {
		return
	}
	key := a.r.w.typeKey(c.typ.base)
	t, known := a.r.w.types[key]
	switch {
	case !known:
		a.trace("what the type %s of %s.%s is: a domain with a constraint has every row written", c.typ, a.key, c.name)
	case t.kind == "domain" && t.constrained:
		a.slow = a.key + " is written anew"
		a.find("L09", "%s.%s has a domain with a constraint: %s is written anew", a.key, c.name, a.key)
	}
}

func (a *alteration) fallback(c columnDef, rewrite func(rule, why string)) {
	for _, f := range calls(c.fallback) {
		switch {
		case stable(f.name):
		case volatile(f.name):
			rewrite("L18", "has the default "+f.name.String()+"()")
			return
		default:
			a.trace("whether %s() in the default of %s.%s is volatile", f.name, a.key, c.name)
		}
	}
}

// columnRules judges the constraints of a new column.
func (a *alteration) columnRules(c columnDef) {
	scan := func(rule, format string, args ...any) {
		a.slow = "the rows of " + a.key + " are read"
		a.find(rule, format, args...)
	}
	if ref := a.r.w.key(c.references); c.references.base != "" && ref != a.key && a.r.w.hot(ref) {
		a.find("L07", "%s and %s are locked at once", a.key, ref)
	}
	if len(c.checks) > 0 {
		scan("L09", "the CHECK of %s.%s is checked for every row", a.key, c.name)
	}
	if c.unique {
		scan("L13", "the index of %s.%s is built under the lock", a.key, c.name)
	}
	if c.primary {
		scan("L14", "the index of %s.%s is built under the lock", a.key, c.name)
	}
	if slices.ContainsFunc(c.checks, func(e tokens) bool { return !a.r.w.look(a.key).isNew(mentions(a.r.w.look(a.key), e), a.r.w.file) }) {
		a.find("C04", "the CHECK of %s.%s is about older columns and may refuse what is written now", a.key, c.name)
	}
}
