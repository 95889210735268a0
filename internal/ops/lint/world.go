package lint

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// world is what the files so far say about the schema. What they don't mention may exist as well.
type world struct {
	file    int    // the number of the file that is read, from 1
	schema  string // where a name without a schema belongs
	tables  map[string]*table
	indexes map[string]index
	objects map[string]int // kind and name -> the file that made it
	types   map[string]userType
}

// table is a table, a view that stands for one, or what is known of one that the folder doesn't make.
type table struct {
	owner       *world // who may change it; another one clones it first
	file        int    // the file that made it; 0: it was there
	temporary   bool
	view        bool
	partitioned bool
	complete    bool // columns are all of its columns
	columns     map[string]column
	constraints map[string]constraint
	dropped     map[string]constraint // by the file that is read
}

type column struct {
	typ     typ
	notNull bool
	file    int
}

type constraint struct {
	kind    string // check, unique, primary, foreign, exclude
	valid   bool
	expr    tokens   // of a check
	columns []string // that it is about, as far as they are known
	ref     string   // the other table of a foreign key
	file    int
}

type index struct {
	table   string
	unique  bool
	columns []string // nil where one is an expression
	partial bool
	file    int
}

// userType is a type that the folder makes.
type userType struct {
	kind        string // enum, domain, composite
	constrained bool   // a domain with NOT NULL or CHECK
	file        int
}

func newWorld() *world {
	return &world{schema: "public", tables: map[string]*table{}, indexes: map[string]index{}, objects: map[string]int{}, types: map[string]userType{}}
}

// clone returns a world of its own for a way down. Tables are cloned when they are changed.
func (w *world) clone() *world {
	c := *w
	c.tables, c.indexes = maps.Clone(w.tables), maps.Clone(w.indexes)
	c.objects, c.types = maps.Clone(w.objects), maps.Clone(w.types)
	return &c
}

// key is the name that w knows something by.
func (w *world) key(n name) string {
	if n.schema != "" {
		return n.schema + "." + n.base
	}
	if w.tables["pg_temp."+n.base] != nil {
		return "pg_temp." + n.base
	}
	return w.schema + "." + n.base
}

// edit returns a table to be changed, or a new one for a table that was there.
func (w *world) edit(key string) *table {
	t := w.tables[key]
	switch {
	case t == nil:
		t = &table{owner: w, columns: map[string]column{}, constraints: map[string]constraint{}, dropped: map[string]constraint{}}
	case t.owner == w:
		return t
	default:
		c := *t
		c.owner, c.columns, c.constraints, c.dropped = w, maps.Clone(t.columns), maps.Clone(t.constraints), maps.Clone(t.dropped)
		t = &c
	}
	w.tables[key] = t
	return t
}

// look returns what is known of a table; never nil, and not to be changed.
func (w *world) look(key string) *table {
	if t := w.tables[key]; t != nil {
		return t
	}
	return &table{}
}

// hot says whether somebody may use a table now: it is not of this file, and not temporary.
func (w *world) hot(key string) bool {
	t := w.look(key)
	return !t.temporary && (t.file == 0 || t.file != w.file)
}

// drop forgets a table with its indexes.
func (w *world) drop(key string) {
	delete(w.tables, key)
	maps.DeleteFunc(w.indexes, func(_ string, i index) bool { return i.table == key })
}

// rename moves a table to another name.
func (w *world) rename(from, to string) {
	t := w.edit(from)
	delete(w.tables, from)
	w.tables[to] = t
	for k, i := range w.indexes {
		if i.table == from {
			i.table = to
			w.indexes[k] = i
		}
	}
	for _, k := range slices.Collect(maps.Keys(w.tables)) {
		w.redirect(k, from, to)
	}
}

func (w *world) redirect(k, from, to string) {
	for n, c := range w.tables[k].constraints {
		if c.ref == from {
			c.ref = to
			w.edit(k).constraints[n] = c
		}
	}
}

// isNew says whether this file made an object that wasn't known before.
func (w *world) isNew(kind, key string) bool { return w.objects[kind+" "+key] == w.file && w.file > 0 }

func (w *world) made(kind, key string) {
	if w.objects[kind+" "+key] == 0 {
		w.objects[kind+" "+key] = w.file
	}
}

// known says whether the folder has made an object.
func (w *world) known(kind, key string) bool { return w.objects[kind+" "+key] > 0 }

// add keeps a constraint, under the name that PostgreSQL would choose where it has none.
func (t *table) add(key, given string, c constraint) string {
	if given == "" {
		_, base, _ := strings.Cut(key, ".")
		given = free(t.constraints, autoName(base, c))
	}
	t.constraints[given] = c
	return given
}

func autoName(base string, c constraint) string {
	cols := strings.Join(c.columns, "_")
	switch {
	case c.kind == "primary":
		return base + "_pkey"
	case c.kind == "check" && len(c.columns) != 1, cols == "":
		return base + "_" + suffix(c.kind)
	}
	return base + "_" + cols + "_" + suffix(c.kind)
}

func suffix(kind string) string {
	switch kind {
	case "unique":
		return "key"
	case "foreign":
		return "fkey"
	case "exclude":
		return "excl"
	}
	return kind
}

func free(taken map[string]constraint, name string) string {
	out := name
	for i := 1; ; i++ {
		if _, ok := taken[out]; !ok {
			return out
		}
		out = name + strconv.Itoa(i)
	}
}

// proves says whether a valid CHECK says that a column is not null: by itself, or among what AND holds together.
func (t *table) proves(col string) bool {
	for _, c := range t.constraints {
		if c.kind != "check" || !c.valid {
			continue
		}
		for _, part := range split(unwrap(c.expr), "and") {
			p := unwrap(part)
			if len(p) == 4 && p[0].Name() && p[0].Text == col && p[1].Is("is") && p[2].Is("not") && p[3].Is("null") {
				return true
			}
		}
	}
	return false
}

// isNew says whether every one of the columns was added by this file.
func (t *table) isNew(cols []string, file int) bool {
	for _, c := range cols {
		if t.columns[c].file != file {
			return false
		}
	}
	return len(cols) > 0
}
