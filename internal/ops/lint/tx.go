package lint

import (
	"maps"
	"slices"
	"strings"
)

// mode is a lock mode of PostgreSQL, weaker ones first.
type mode int

const (
	rowExclusive mode = iota
	shareUpdateExclusive
	share // from here on writers wait
	shareRowExclusive
	exclusive
	accessExclusive // readers as well
)

func (m mode) String() string {
	return [...]string{"RowExclusive", "ShareUpdateExclusive", "Share", "ShareRowExclusive", "Exclusive", "AccessExclusive"}[m]
}

// lock is a lock on a table that is in use.
type lock struct {
	table string
	mode  mode
}

func (l lock) String() string { return l.mode.String() + " " + l.table }

// tx is what a transaction holds so far.
type tx struct {
	open    bool           // it goes on behind the statement
	held    map[string]int // tables in use whose writers wait -> the line
	full    map[string]int // those whose readers wait too
	altered map[string]int
	pending map[string]bool // constraints that were added NOT VALID
	enums   map[string]bool // values that were added
	wrote   int             // the line that wrote rows of a table in use
	told    map[string]bool
}

func newTx(open bool) *tx {
	return &tx{open: open, held: map[string]int{}, full: map[string]int{}, altered: map[string]int{},
		pending: map[string]bool{}, enums: map[string]bool{}, told: map[string]bool{}}
}

// once says whether a rule is told for the first time in the transaction: the first place is enough.
func (t *tx) once(rule string) bool {
	first := !t.told[rule]
	t.told[rule] = true
	return first
}

// hold judges a statement by what its transaction holds, and adds its own locks.
func (r *run) hold(s *stmt) {
	s.mark = 0
	s.holdsTwo()
	if r.tx.open {
		s.holdsLong()
		s.mixesRows()
	}
	for _, l := range s.locks {
		if l.mode >= share {
			keep(r.tx.held, l.table, s.line)
		}
		if l.mode == accessExclusive {
			keep(r.tx.full, l.table, s.line)
		}
	}
	if s.altered != "" {
		keep(r.tx.altered, s.altered, s.line)
	}
	if s.wrote && r.tx.wrote == 0 {
		r.tx.wrote = s.line
	}
	if !r.tx.open {
		r.tx = newTx(false)
	}
}

func keep(m map[string]int, k string, line int) {
	if m[k] == 0 {
		m[k] = line
	}
}

// holdsLong finds work under locks that are held already.
func (s *stmt) holdsLong() {
	tx := s.r.tx
	line, again := tx.altered[s.altered]
	switch {
	case again && tx.once("L34 "+s.altered):
		s.find("L34", "%s was altered on line %d already", s.altered, line)
	case !again && !s.idle && len(tx.full) > 0 && tx.once("L31"):
		s.find("L31", "%s is locked for everybody since line %d, until the transaction ends", first(tx.full), tx.full[first(tx.full)])
	}
	if s.slow != "" && len(tx.held) > 0 {
		s.find("L32", "%s while %s is locked since line %d", s.slow, first(tx.held), tx.held[first(tx.held)])
	}
}

func first(m map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[a] - m[b]
		}
		return strings.Compare(a, b)
	})
	return keys[0]
}

// mixesRows finds rows that are written in a transaction that locks tables in use.
func (s *stmt) mixesRows() {
	tx := s.r.tx
	locks := slices.ContainsFunc(s.locks, func(l lock) bool { return l.mode >= share })
	switch {
	case s.bulk && len(tx.held) > 0:
		tx.told["L35"] = true
		s.find("L35", "rows are written while %s is locked since line %d", first(tx.held), tx.held[first(tx.held)])
	case locks && tx.wrote > 0 && tx.once("L35"):
		s.find("L35", "the transaction has written rows on line %d, whose locks it keeps while it waits for this one", tx.wrote)
	}
}

// holdsTwo finds the second table that a transaction locks. That ALTER TABLE needs two, other rules say.
func (s *stmt) holdsTwo() {
	held := maps.Clone(s.r.tx.held)
	for _, l := range s.locks {
		if l.mode < share {
			continue
		}
		if _, has := held[l.table]; !has && len(held) > 0 && s.r.tx.once("L33") {
			s.find("L33", "%s, and since line %d %s", l, held[first(held)], first(held))
		}
		if s.several {
			keep(held, l.table, s.line)
		}
	}
}
