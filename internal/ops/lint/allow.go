package lint

import "github.com/platctl/platctl/internal/ops/migrate"

// excuses are the allows of a file, and which of them were of use.
type excuses struct {
	mg   *migrate.Migration
	book ruleBook
	opts Options
	used []bool
}

func newExcuses(mg *migrate.Migration, book ruleBook, o Options) *excuses {
	return &excuses{mg: mg, book: book, opts: o, used: make([]bool, len(mg.Allows))}
}

// reason returns why a finding is allowed, empty where it isn't. Every allow that fits counts as used.
func (e *excuses) reason(f Finding) string {
	out := ""
	for i, a := range e.mg.Allows {
		if e.book[a.Rule].ID != f.Rule || a.Statement >= 0 && (a.Statement != f.Statement || a.Down != (f.Direction == "down")) {
			continue
		}
		e.used[i] = true
		out = a.Reason
	}
	return out
}

// wrong returns the allows that name no rule or excuse nothing. One of a rule that wasn't looked for may be of use another time.
func (e *excuses) wrong() []Finding {
	var out []Finding
	for i, a := range e.mg.Allows {
		def, known := e.book[a.Rule]
		r := run{book: e.book, mg: e.mg, down: a.Down}
		switch {
		case !known:
			out = append(out, r.finding("A02", a.Line, -1, "there is no rule "+a.Rule))
		case def.Severity == Style && !e.opts.Style:
		case !e.used[i]:
			out = append(out, r.finding("A01", a.Line, -1, "nothing here breaks "+def.ID+" "+def.Name))
		}
	}
	return out
}
