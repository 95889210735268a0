// Package sqltoken cuts one SQL statement into PostgreSQL's tokens, for tools that look at statements without parsing them.
//
// It knows lexical rules and no grammar: comments and white space are dropped, words are folded to lower case, quoted identifiers
// and strings are told apart from words. It takes any text: what has no end goes to the end of the text.
package sqltoken

import "strings"

// Kind is what a token is.
type Kind int

// The kinds of tokens.
const (
	Word   Kind = iota // an identifier or keyword without quotes, in lower case
	Quoted             // an identifier in quotes, without them
	String             // the text of a string of any form
	Number
	Symbol // one character: ( ) , . ; = and the like
)

// Token is one token.
type Token struct {
	Kind Kind
	Text string
	At   int // the offset of its first byte
}

// Is says whether the token is a word, or a symbol.
func (t Token) Is(text string) bool { return (t.Kind == Word || t.Kind == Symbol) && t.Text == text }

// Name says whether the token can name something.
func (t Token) Name() bool { return t.Kind == Word || t.Kind == Quoted }

// Split returns the tokens of sql.
func Split(sql string) []Token {
	s := scanner{sql: sql}
	for s.at < len(sql) {
		s.next()
	}
	return s.out
}

type scanner struct {
	sql string
	at  int
	out []Token
}

func (s *scanner) add(k Kind, text string, at int) { s.out = append(s.out, Token{k, text, at}) }

func (s *scanner) next() {
	from, rest := s.at, s.sql[s.at:]
	switch c := rest[0]; {
	case IsSpace(c):
		s.at++
	case strings.HasPrefix(rest, "--"):
		s.at += until(rest, "\n")
	case strings.HasPrefix(rest, "/*"):
		s.at += comment(rest)
	case c == '\'':
		text, n := quoted(rest, '\'', false)
		s.at += n
		s.add(String, text, from)
	case c == '"':
		text, n := quoted(rest, '"', false)
		s.at += n
		s.add(Quoted, text, from)
	case c == '$' && DollarTag(rest) != "":
		s.dollar(rest)
	case IsDigit(c):
		n := span(rest, func(c byte) bool { return IsDigit(c) || IsLetter(c) || c == '.' })
		s.at += n
		s.add(Number, rest[:n], from)
	case IsLetter(c):
		s.word(rest)
	default:
		s.at++
		s.add(Symbol, rest[:1], from)
	}
}

// word reads a word, or the string whose form it says: E”, B”, X”, N”, U&”.
func (s *scanner) word(rest string) {
	from := s.at
	n := span(rest, func(c byte) bool { return IsLetter(c) || IsDigit(c) || c == '$' })
	w := fold(rest[:n])
	if len(w) == 1 && n < len(rest) && rest[n] == '\'' && strings.Contains("ebxn", w) {
		text, m := quoted(rest[n:], '\'', w == "e")
		s.at += n + m
		s.add(String, text, from)
		return
	}
	s.at += n
	s.add(Word, w, from)
}

// fold lowers what PostgreSQL folds: ASCII.
func fold(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}

func (s *scanner) dollar(rest string) {
	t := DollarTag(rest)
	body := rest[len(t):]
	n := strings.Index(body, t)
	if n < 0 {
		s.add(String, body, s.at)
		s.at = len(s.sql)
		return
	}
	s.add(String, body[:n], s.at)
	s.at += len(t) + n + len(t)
}

// quoted reads a string or identifier from its quote, and returns it with how long it was. A doubled quote is one of it.
func quoted(s string, quote byte, escapes bool) (text string, n int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] != quote:
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == quote:
			i++
			b.WriteByte(quote)
		default:
			return b.String(), i + 1
		}
	}
	return b.String(), len(s)
}

// comment returns the length of a block comment; they nest.
func comment(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// DollarTag returns the delimiter that s begins with, $$ or $name$, empty where none does.
func DollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$':
			return s[:i+1]
		case !IsLetter(c) && (i == 1 || !IsDigit(c)):
			return ""
		}
	}
	return ""
}

func until(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i
	}
	return len(s)
}

func span(s string, in func(byte) bool) int {
	n := 1
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

// IsLetter says whether an identifier can begin with a byte.
func IsLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// IsDigit says whether a byte is one of 0 to 9.
func IsDigit(c byte) bool { return c >= '0' && c <= '9' }

// IsSpace says whether a byte is white space between tokens.
func IsSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}
