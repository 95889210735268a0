package trace

import (
	"fmt"
	"slices"
	"strings"
)

// judge says what of a file is dangerous, and gives hints.
func judge(f *File, sizes *Sizes) {
	for _, s := range f.Up {
		s.Blocked = sizes.estimate(s)
	}
	f.Strongest = strongest(f)
	for _, s := range f.Up {
		if d := danger(s); d != "" {
			f.Dangers = append(f.Dangers, d)
		}
	}
	if f.Way.Class == WayLossy {
		f.Dangers = append(f.Dangers, "the way down is lossy: "+f.Way.lost())
	}
	f.Hints = append(f.Hints, hints(f)...)
}

// danger is a sentence where requests of an application wait for a table of theirs while the statement reads or writes a table as a whole;
// empty where they don't.
func danger(s *Statement) string {
	work := s.work()
	locks := s.stops()
	if work == "" || len(locks) == 0 {
		return ""
	}
	what := Writes
	if slices.ContainsFunc(locks, func(l Lock) bool { return l.Mode.conflicts(AccessShare) }) {
		what = Reads + " and " + Writes
	}
	var names []string
	for _, l := range locks {
		if !slices.Contains(names, l.Relation) {
			names = append(names, l.Relation)
		}
	}
	return fmt.Sprintf("statement %d blocks %s of %s while it %s", s.Index, what, strings.Join(names, ", "), work)
}

// stops returns the locks that stop requests while the statement runs: its own and those from before.
func (s *Statement) stops() []Lock {
	out := slices.Clone(s.Held)
	for _, l := range s.Locks {
		if !l.New && l.Mode.stops() && (l.Kind == "table" || l.Kind == "view" || l.Kind == "materialized view") {
			out = append(out, l)
		}
	}
	sortLocks(out)
	return out
}

// work says what the statement did to whole tables of before the file; empty where nothing.
func (s *Statement) work() string {
	var parts, tables []string
	for _, sc := range s.Scans {
		if !sc.New {
			tables = append(tables, sc.Table)
		}
	}
	if len(s.Rewrites) > 0 {
		parts = append(parts, "rewrites "+strings.Join(s.Rewrites, ", "))
	}
	if len(tables) > 0 {
		parts = append(parts, "reads all of "+strings.Join(tables, ", "))
	}
	return strings.Join(parts, " and ")
}

// strongest returns the strongest lock on what was there before, the first of its kind.
func strongest(f *File) *Hold {
	var h *Hold
	for i, s := range f.Up {
		for _, l := range s.Locks {
			if l.New || h != nil && l.Mode.rank() <= h.Mode.rank() {
				continue
			}
			h = &Hold{Relation: l.Relation, Mode: l.Mode, Blocks: l.Blocks, Taken: s.Index}
			if f.Transaction {
				h.Over = len(f.Up) - i - 1
			}
		}
	}
	return h
}

// hints are the rules that only a run shows.
func hints(f *File) []Hint {
	out := underLock(f)
	hot := map[string]bool{}
	for _, s := range f.Up {
		if len(s.Rewrites) > 0 && len(s.Held) > 0 {
			out = append(out, Hint{"L32", s.Index, "rewrites " + strings.Join(s.Rewrites, ", ") + " while " + s.Held[0].Relation + " is locked from before"})
		}
		for _, l := range s.stops() {
			if l.Kind == "table" && !hot[l.Relation] {
				hot[l.Relation] = true
				if f.Transaction && len(hot) == 2 {
					out = append(out, Hint{"L33", s.Index, "locks a second table, " + l.Relation +
						", in the same transaction; an application that takes the two in the other order deadlocks with it"})
				}
			}
		}
	}
	return out
}

// underLock is rule L31: how many statements run while a table is locked against everybody.
func underLock(f *File) []Hint {
	var first, n int
	var held string
	for _, s := range f.Up {
		relation := s.exclusive()
		if relation == "" {
			continue
		}
		if n++; n == 1 {
			first, held = s.Index, relation
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return []Hint{{"L31", first, "runs while " + held + " is locked against everybody; put it into a file of its own"}}
	}
	return []Hint{{"L31", first, fmt.Sprintf("and %d more run while %s is locked against everybody; put them into files of their own", n-1, held)}}
}

// exclusive names what a statement before this one has locked against everybody.
func (s *Statement) exclusive() string {
	for _, l := range s.Held {
		if l.Mode == AccessExclusive {
			return l.Relation
		}
	}
	return ""
}

// lost says what a lossy way down loses, shortly.
func (w *Way) lost() string {
	var parts []string
	for _, f := range w.Lost {
		if f.Kind != "column order" {
			parts = append(parts, fmt.Sprintf("%s %s: %s", f.Kind, f.Object, short(f.Fact)))
		}
	}
	if len(w.Data) > 0 {
		parts = append(parts, "data of "+strings.Join(w.Data, ", "))
	}
	if len(parts) == 0 && len(w.Gained) > 0 {
		parts = append(parts, fmt.Sprintf("it leaves %s %s behind", w.Gained[0].Kind, w.Gained[0].Object))
	}
	if len(parts) == 0 {
		parts = append(parts, "the second way up makes another schema than the first")
	}
	const shown = 5
	if n := len(parts) - shown; n > 0 {
		parts = append(parts[:shown], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, "; ")
}
