package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Note is a line about a file.
type Note struct{ What, Text string }

// Notes are what is to be said of a file, the worst first.
func (f *File) Notes() []Note {
	var out []Note
	if f.Failure != nil {
		out = append(out, Note{"failed", f.Failure.Message})
	}
	for _, d := range f.Dangers {
		out = append(out, Note{"danger", d})
	}
	for _, s := range f.Up {
		if s.Blocked != nil {
			out = append(out, Note{"estimate", fmt.Sprintf("statement %d: %s", s.Index, s.Blocked)})
		}
	}
	for _, s := range f.Up {
		for _, w := range s.Waits {
			out = append(out, Note{"wait", fmt.Sprintf("statement %d waited %.0f ms for %s behind sessions %v", s.Index, w.MS, w.For, w.Behind)})
		}
	}
	if h := f.Strongest; h != nil {
		text := fmt.Sprintf("%s on %s, from statement %d", h.Mode, h.Relation, h.Taken)
		if h.Over > 0 {
			text += fmt.Sprintf(" over %d more to the end of the transaction", h.Over)
		}
		out = append(out, Note{"strongest lock", text})
	}
	for _, h := range f.Hints {
		out = append(out, Note{h.Rule, fmt.Sprintf("statement %d %s", h.Statement, h.Text)})
	}
	for _, u := range f.Unfilled {
		out = append(out, Note{"no rows", u.Table + ": " + short(u.Why)})
	}
	return append(out, Note{"way down", f.Way.Class})
}

// LockText names the strongest lock on each relation of before the file, those that everybody takes left out, and those that statements
// before it have taken.
func (s *Statement) LockText() string {
	var out []string
	seen := map[string]bool{}
	for _, l := range s.Locks {
		if l.New || seen[l.Relation] || l.Mode.rank() < RowExclusive.rank() {
			continue
		}
		seen[l.Relation] = true
		out = append(out, l.Relation+": "+l.Mode.String())
	}
	for _, l := range s.Held {
		if !seen[l.Relation] {
			seen[l.Relation] = true
			out = append(out, l.Relation+": "+l.Mode.String()+" (held)")
		}
	}
	return strings.Join(out, ", ")
}

// BlockText says what the strongest lock on a table stops.
func (s *Statement) BlockText() string {
	locks := s.stops()
	if len(locks) == 0 {
		return ""
	}
	var out []string
	for _, b := range locks[0].Blocks {
		if b == Reads || b == Writes {
			out = append(out, b)
		}
	}
	return strings.Join(out, ", ")
}

// ScanText names the tables that were read whole, with what was read of them.
func (s *Statement) ScanText() string {
	var out []string
	for _, sc := range s.Scans {
		if !sc.New {
			out = append(out, fmt.Sprintf("%s (%d rows)", sc.Table, sc.Tuples))
		}
	}
	return strings.Join(out, ", ")
}

// Verdict is nil where nothing dangerous was seen.
func (r *Report) Verdict() error {
	if r.Dangers == 0 {
		return nil
	}
	var files []string
	for _, f := range r.Files {
		if len(f.Dangers) > 0 {
			files = append(files, fmt.Sprintf("%d_%s", f.Version, f.Name))
		}
	}
	things := "1 thing is"
	if r.Dangers > 1 {
		things = fmt.Sprintf("%d things are", r.Dangers)
	}
	return fault.New(fault.No, "%s: %s dangerous on a database in use", strings.Join(files, ", "), things).
		WithHint("`platctl migrate lint --rules` lists the safe form of each")
}

// Markdown writes the report for a pull request: a verdict, then a table a file.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("### Migrations: " + r.headline() + "\n")
	for _, f := range r.Files {
		fmt.Fprintf(&b, "\n**%d_%s**: ", f.Version, cell(f.Name))
		var notes []string
		for _, n := range f.Notes() {
			if n.What != "no rows" {
				notes = append(notes, n.What+": "+cell(n.Text))
			}
		}
		b.WriteString(strings.Join(notes, "  \n") + "\n")
		f.table(&b)
	}
	fmt.Fprintf(&b, "\nPostgreSQL %s, empty tables filled up to %d rows.\n", r.Server, r.Rows)
	if r.Sizes != nil {
		b.WriteString(cell(r.Sizes.String()) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String says what the estimates are for, and what they leave out.
func (s *Sizes) String() string {
	return fmt.Sprintf("Estimates are for the database %s; its longest transaction was open for %s, and a lock waits for those of its tables first, up to lock_timeout.",
		s.Database, (time.Duration(s.OldestMS) * time.Millisecond).Round(time.Millisecond))
}

func (r *Report) headline() string {
	switch {
	case slices.ContainsFunc(r.Files, func(f *File) bool { return f.Failure != nil }):
		return "one fails"
	case r.Dangers == 1:
		return "1 danger"
	case r.Dangers > 1:
		return fmt.Sprintf("%d dangers", r.Dangers)
	}
	return "nothing dangerous"
}

// table writes the statements that lock what was there, or do anything with it.
func (f *File) table(b *strings.Builder) {
	head := "\n| statement | locks | stops | rewrites | reads | took |\n|---|---|---|---|---|---|\n"
	for _, s := range f.Up {
		if s.LockText() == "" && s.work() == "" {
			continue
		}
		fmt.Fprintf(b, "%s| %d `%s` | %s | %s | %s | %s | %.1f ms |\n", head, s.Index, strings.NewReplacer("`", "'", "|", "\\|").Replace(s.SQL), cell(s.LockText()),
			s.BlockText(), cell(strings.Join(s.Rewrites, ", ")), cell(s.ScanText()), s.TookMS)
		head = ""
	}
}

// cell keeps text from ending a cell of a table or opening a tag.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(s)
}
