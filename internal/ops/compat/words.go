package compat

import (
	"slices"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// words is a text of SQL in tokens, for what is read from it where the server can't be asked.
type words []sqltoken.Token

// is says whether token i is one of these words or symbols.
func (w words) is(i int, texts ...string) bool {
	return i >= 0 && i < len(w) && slices.ContainsFunc(texts, w[i].Is)
}

// has says whether a word is there.
func (w words) has(text string) bool {
	return slices.ContainsFunc(w, func(t sqltoken.Token) bool { return t.Is(text) })
}

// names returns the name that token i is, as the catalogue writes it; empty where it is none.
func (w words) name(i int) string {
	if i < 0 || i >= len(w) || !w[i].Name() {
		return ""
	}
	return quoteIdent(w[i].Text)
}

// verb returns what is done to the name at i: into, update, truncate, copy, or delete; empty where it isn't written to.
func (w words) verb(i int) string {
	before := i - 1
	if w.is(before, ".") {
		before -= 2
	}
	if w.is(before, "only", "table") {
		before--
	}
	switch {
	case w.is(before, "from") && w.is(before-1, "delete"):
		return "delete"
	case w.is(before, "into", "update", "truncate", "copy"):
		return w[before].Text
	}
	return ""
}
