package lint

import (
	"strings"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// tokens is a piece of a statement.
type tokens = []token

type token = sqltoken.Token

// reader walks over tokens. Behind the end there is an empty symbol.
type reader struct {
	toks tokens
	at   int
}

// name is the name of something, as it is written.
type name struct{ schema, base string }

func (n name) String() string {
	if n.schema == "" {
		return n.base
	}
	return n.schema + "." + n.base
}

func (r *reader) done() bool { return r.at >= len(r.toks) }

func (r *reader) peek() sqltoken.Token {
	if r.done() {
		return sqltoken.Token{Kind: sqltoken.Symbol}
	}
	return r.toks[r.at]
}

// is says whether words, with a space between, come next.
func (r *reader) is(words string) bool {
	i := r.at
	for w := range strings.FieldsSeq(words) {
		if i >= len(r.toks) || !r.toks[i].Is(w) {
			return false
		}
		i++
	}
	return true
}

// take passes words if they come next.
func (r *reader) take(words string) bool {
	if !r.is(words) {
		return false
	}
	r.at += len(strings.Fields(words))
	return true
}

// any passes the first of the options that comes next.
func (r *reader) any(options ...string) bool {
	for _, o := range options {
		if r.take(o) {
			return true
		}
	}
	return false
}

// ident reads one identifier.
func (r *reader) ident() (string, bool) {
	if t := r.peek(); t.Name() {
		r.at++
		return t.Text, true
	}
	return "", false
}

// name reads a name that may have a schema, or a database and a schema.
func (r *reader) name() (name, bool) {
	var parts []string
	for {
		part, ok := r.ident()
		if !ok {
			return name{}, false
		}
		parts = append(parts, part)
		if !r.take(".") {
			break
		}
	}
	n := name{base: parts[len(parts)-1]}
	if len(parts) > 1 {
		n.schema = parts[len(parts)-2]
	}
	return n, true
}

// names reads a list of names.
func (r *reader) names() ([]name, bool) {
	var out []name
	for {
		n, ok := r.name()
		if !ok {
			return nil, false
		}
		if out = append(out, n); !r.take(",") {
			return out, true
		}
	}
}

// parens reads what is between a parenthesis that comes next and its end.
func (r *reader) parens() (tokens, bool) {
	if !r.take("(") {
		return nil, false
	}
	from, depth := r.at, 1
	for ; !r.done(); r.at++ {
		switch t := r.toks[r.at]; {
		case t.Is("("):
			depth++
		case t.Is(")"):
			if depth--; depth == 0 {
				r.at++
				return r.toks[from : r.at-1], true
			}
		}
	}
	return r.toks[from:], false
}

// until reads up to a token outside of parentheses, brackets and CASE that stop says yes to.
func (r *reader) until(stop func(sqltoken.Token) bool) tokens {
	from := r.at
	var d depth
	for ; !r.done(); r.at++ {
		t := r.toks[r.at]
		if d.none() && stop(t) {
			break
		}
		d.pass(t)
	}
	return r.toks[from:r.at]
}

func (r *reader) rest() tokens {
	out := r.toks[min(r.at, len(r.toks)):]
	r.at = len(r.toks)
	return out
}

// depth counts what is open.
type depth struct{ parens, cases int }

func (d *depth) none() bool { return d.parens == 0 && d.cases == 0 }

func (d *depth) pass(t sqltoken.Token) {
	switch {
	case t.Is("("), t.Is("["):
		d.parens++
	case t.Is(")"), t.Is("]"):
		d.parens = max(0, d.parens-1)
	case t.Is("case"):
		d.cases++
	case t.Is("end"):
		d.cases = max(0, d.cases-1)
	}
}

// split cuts at a symbol or word outside of everything.
func split(toks tokens, at string) []tokens {
	var out []tokens
	var d depth
	from := 0
	for i, t := range toks {
		if d.none() && t.Is(at) {
			out = append(out, toks[from:i])
			from = i + 1
		}
		d.pass(t)
	}
	return append(out, toks[from:])
}

// unwrap takes parentheses away that stand around all of it.
func unwrap(toks tokens) tokens {
	for len(toks) > 1 && toks[0].Is("(") {
		r := reader{toks: toks}
		inner, ok := r.parens()
		if !ok || !r.done() {
			break
		}
		toks = inner
	}
	return toks
}
