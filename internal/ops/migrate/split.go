package migrate

import (
	"strings"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// Statement is one SQL statement of a file.
type Statement struct {
	SQL  string
	Line int // of the file, from 1
}

// lexer finds the semicolons that end a statement, by PostgreSQL's own lexical rules (standard_conforming_strings on) and
// psql's rules for parentheses and BEGIN ATOMIC bodies. It is fed line by line and keeps its state between lines.
type lexer struct {
	in      byte   // what we are inside of: 0, ' (string), E (string with escapes), " (identifier), $ or * (comment)
	tag     string // the delimiter of in == '$'
	nested  int    // depth of in == '*'
	parens  int
	begins  int      // depth of BEGIN ATOMIC … END
	words   []string // the first words of the statement, in lower case
	token   bool     // the statement has more than comments
	closed  byte     // the kind of string that has just ended; a quote after a line break continues it
	newline bool     // there was a line break since
}

// end is a semicolon that ends a statement.
type end struct {
	at    int  // offset just behind it
	empty bool // there was nothing but comments before it
}

// line feeds one line, with its line break, and returns the ends of statements in it.
func (l *lexer) line(s string) []end {
	var ends []end
	for i := 0; i < len(s); {
		if l.in != 0 {
			i = l.inside(s, i)
			continue
		}
		if s[i] == ';' && l.parens <= 0 && l.begins == 0 {
			i++
			ends = append(ends, end{i, !l.token})
			*l = lexer{}
			continue
		}
		i = l.top(s, i)
	}
	return ends
}

// open says whether a statement or a comment has begun and not ended.
func (l *lexer) open() bool { return l.in != 0 || l.token }

func (l *lexer) top(s string, i int) int {
	if next := l.blank(s, i); next > i {
		return next
	}
	c := s[i]
	continues := l.closed != 0 && l.newline && c == '\''
	kind := l.closed
	l.token, l.closed = true, 0
	switch {
	case continues:
		l.in = kind
	case c == '\'' || c == '"':
		l.in = c
	case c == '$':
		if l.tag = sqltoken.DollarTag(s[i:]); l.tag != "" {
			l.in = '$'
			return i + len(l.tag)
		}
	case c == '(':
		l.parens++
	case c == ')':
		l.parens--
	case sqltoken.IsLetter(c):
		return l.word(s, i)
	}
	return i + 1
}

// blank passes one space, a line comment or the opening of a block comment; it returns i where there is none.
func (l *lexer) blank(s string, i int) int {
	switch {
	case sqltoken.IsSpace(s[i]):
		l.newline = l.newline || s[i] == '\n'
		return i + 1
	case strings.HasPrefix(s[i:], "--"):
		if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
			return i + n
		}
		return len(s)
	case strings.HasPrefix(s[i:], "/*"):
		l.in, l.nested, l.closed = '*', 1, 0
		return i + 2
	}
	return i
}

// word reads an identifier or keyword; a lone E before a quote opens a string with escapes.
func (l *lexer) word(s string, i int) int {
	stop := i
	for stop < len(s) && (sqltoken.IsLetter(s[stop]) || sqltoken.IsDigit(s[stop]) || s[stop] == '$') {
		stop++
	}
	w := strings.ToLower(s[i:stop])
	if w == "e" && stop < len(s) && s[stop] == '\'' {
		l.in = 'E'
		return stop + 1
	}
	if len(l.words) < 4 {
		l.words = append(l.words, w)
	}
	if l.parens <= 0 && l.makesRoutine() {
		l.body(w)
	}
	return stop
}

// body counts how deep a BEGIN ATOMIC body is; CASE has an END of its own.
func (l *lexer) body(w string) {
	switch {
	case w == "begin" || w == "case" && l.begins > 0:
		l.begins++
	case w == "end" && l.begins > 0:
		l.begins--
	}
}

func (l *lexer) makesRoutine() bool {
	w := l.words
	if len(w) >= 4 && w[0] == "create" && w[1] == "or" && w[2] == "replace" {
		return w[3] == "function" || w[3] == "procedure"
	}
	return len(w) >= 2 && w[0] == "create" && (w[1] == "function" || w[1] == "procedure")
}

func (l *lexer) inside(s string, i int) int {
	switch l.in {
	case '*':
		return l.comment(s, i)
	case '$':
		n := strings.Index(s[i:], l.tag)
		if n < 0 {
			return len(s)
		}
		l.in = 0
		return i + n + len(l.tag)
	case 'E':
		if s[i] == '\\' {
			return min(i+2, len(s))
		}
	}
	quote := l.in
	if quote == 'E' {
		quote = '\''
	}
	if s[i] != quote {
		return i + 1
	}
	if i+1 < len(s) && s[i+1] == quote {
		return i + 2
	}
	if quote == '\'' {
		l.closed, l.newline = l.in, false
	}
	l.in = 0
	return i + 1
}

func (l *lexer) comment(s string, i int) int {
	switch {
	case strings.HasPrefix(s[i:], "/*"):
		l.nested++
		return i + 2
	case strings.HasPrefix(s[i:], "*/"):
		if l.nested--; l.nested == 0 {
			l.in = 0
		}
		return i + 2
	}
	return i + 1
}

// splitter collects statements from lines.
type splitter struct {
	lex  lexer
	buf  strings.Builder
	from int // line on which the statement in buf begins
	out  []Statement
}

// add feeds one line, with its line break. Comments between statements are dropped, comments inside are kept.
func (p *splitter) add(line string, no int) {
	at := 0
	for _, e := range p.lex.line(line) {
		p.take(line[at:e.at], no)
		p.flush(e.empty)
		at = e.at
	}
	p.take(line[at:], no)
	if !p.lex.open() {
		p.buf.Reset()
	}
}

func (p *splitter) take(text string, no int) {
	if p.buf.Len() == 0 {
		text = strings.TrimLeft(text, " \t\r\n\f\v")
		p.from = no
	}
	p.buf.WriteString(text)
}

// flush ends the statement in buf. A lone semicolon is none.
func (p *splitter) flush(empty bool) {
	if !empty {
		p.out = append(p.out, Statement{SQL: strings.TrimSpace(p.buf.String()), Line: p.from})
	}
	p.buf.Reset()
}
