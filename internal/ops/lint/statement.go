package lint

import (
	"fmt"
	"strings"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// stmt is one statement while it is judged.
type stmt struct {
	reader
	r    *run
	sql  string
	line int // where the statement begins
	no   int

	mark    int  // the token that findings are about
	replace bool // CREATE OR REPLACE
	locks   []lock
	altered string // the table in use that ALTER TABLE changes
	several bool   // it names several tables, as CREATE TABLE, DROP, TRUNCATE and LOCK do
	slow    string // what it reads or writes all of, under a lock
	bulk    bool   // it writes many rows
	wrote   bool   // rows of a table in use
	idle    bool   // it does nothing to speak of
	found   []Finding
}

// form is how a kind of statement begins, and what reads the rest of it.
type form struct {
	words string
	judge func(*stmt)
}

// judge finds the kind of the statement. What is left unread wasn't understood.
func (s *stmt) judge() {
	s.dispatch(s.kinds())
	if !s.done() {
		s.mark = s.at
		s.trace("%q isn't understood here", s.peek().Text)
	}
	s.longNames()
	s.usesNewEnum()
}

func (s *stmt) kinds() []form {
	return []form{
		{"create or replace", func(s *stmt) { s.replace = true; s.dispatch(createForms()) }},
		{"create", func(s *stmt) { s.dispatch(createForms()) }},
		{"alter", func(s *stmt) { s.dispatch(alterForms()) }},
		{"drop", func(s *stmt) { s.dispatch(dropForms()) }},
		{"comment on", quiet},
		{"insert into", (*stmt).rows}, {"update", (*stmt).rows}, {"delete from", (*stmt).rows}, {"merge into", (*stmt).rows},
		{"with", (*stmt).rows}, {"select", (*stmt).query}, {"values", (*stmt).query}, {"table", (*stmt).query}, {"(", (*stmt).query},
		{"truncate", (*stmt).truncate}, {"lock", (*stmt).lockTable},
		{"reindex", (*stmt).reindex}, {"refresh materialized view", (*stmt).refresh}, {"cluster", (*stmt).cluster},
		{"vacuum", (*stmt).vacuum}, {"analyze", quiet}, {"analyse", quiet},
		{"grant", quiet}, {"revoke", (*stmt).revoke}, {"reassign owned", (*stmt).reassign},
		{"set", (*stmt).set}, {"reset", (*stmt).reset}, {"discard", (*stmt).discard}, {"show", quiet}, {"checkpoint", quiet},
		{"begin", (*stmt).begin}, {"start transaction", (*stmt).begin}, {"commit", (*stmt).commit}, {"end", (*stmt).commit},
		{"rollback to", quiet}, {"rollback", (*stmt).commit}, {"abort", (*stmt).commit}, {"savepoint", quiet}, {"release", quiet},
		{"notify", quiet}, {"listen", quiet}, {"unlisten", quiet}, {"deallocate", quiet},
		{"do", dynamic}, {"call", dynamic}, {"execute", dynamic}, {"prepare", dynamic},
	}
}

// dispatch lets the first form that fits read the statement. Its position stays behind the words.
func (s *stmt) dispatch(forms []form) {
	for _, f := range forms {
		if s.take(f.words) {
			f.judge(s)
			return
		}
	}
	word := s.peek().Text
	if s.at > 0 {
		word = s.toks[s.at-1].Text + " " + word
	}
	s.rest()
	s.mark = 0
	s.trace("%s isn't a statement that lint knows", strings.ToUpper(word))
}

// quiet reads statements that lock no table and break nothing.
func quiet(s *stmt) {
	s.rest()
	s.idle = true
}

// additive reads statements that make something new and lock nothing that is in use.
func additive(s *stmt) { s.rest() }

// dynamic reads statements that run what the text doesn't show.
func dynamic(s *stmt) {
	s.trace("%s runs code that the text doesn't show", strings.ToUpper(s.toks[0].Text))
	s.rest()
}

// find adds a finding about the token at s.mark.
func (s *stmt) find(rule, format string, args ...any) {
	if s.r.down && strings.HasPrefix(rule, "C") || s.r.mg.Phase == "contract" && strings.HasPrefix(rule, "C") {
		return
	}
	line := s.line
	if s.mark < len(s.toks) {
		line += strings.Count(s.sql[:s.toks[s.mark].At], "\n")
	}
	s.found = append(s.found, s.r.finding(rule, line, s.no, fmt.Sprintf(format, args...)))
}

// warn is find for a case that is milder than its rule.
func (s *stmt) warn(rule, format string, args ...any) {
	n := len(s.found)
	if s.find(rule, format, args...); len(s.found) > n {
		s.found[n].Severity = Warning
	}
}

func (s *stmt) trace(format string, args ...any) { s.find("T01", format, args...) }

// locksTable notes a lock; nobody waits for one on a table that nobody uses.
func (s *stmt) locksTable(key string, m mode) {
	if s.r.w.hot(key) {
		s.locks = append(s.locks, lock{key, m})
	}
}

func (s *stmt) key(n name) string {
	s.style("S09", n.schema == "", "%s has no schema", n.base)
	return s.r.w.key(n)
}

func (s *stmt) style(rule string, broken bool, format string, args ...any) {
	if broken && s.r.opts.Style {
		s.find(rule, format, args...)
	}
}

// isNew says whether this file made an object of a kind.
func (s *stmt) isNew(kind string, n name) bool { return s.r.w.isNew(kind, s.r.w.key(n)) }

// longNames finds names that the server cuts.
func (s *stmt) longNames() {
	for i, t := range s.toks {
		if t.Name() && len(t.Text) > 63 {
			s.mark = i
			s.style("S10", true, "%s has %d bytes", t.Text, len(t.Text))
		}
	}
}

// usesNewEnum finds a value that the same transaction has added: the server refuses to use it before the commit.
func (s *stmt) usesNewEnum() {
	if !s.r.tx.open || s.toks[0].Is("alter") && len(s.toks) > 1 && s.toks[1].Is("type") {
		return
	}
	for i, t := range s.toks {
		if t.Kind == sqltoken.String && s.r.tx.enums[t.Text] && s.r.tx.once("C11 "+t.Text) {
			s.mark = i
			s.find("C11", "'%s' is used in the transaction that adds it: it fails", t.Text)
		}
	}
}
