package migrate

import (
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// Env looks up a variable of the environment; nil knows none.
type Env func(name string) (value string, ok bool)

// substitute turns ENVSUB on and off; inside a section the line is a part of its text, which is read again on the way down.
func (p *parser) substitute(on bool, line string) {
	p.envsub = on
	if p.section != nil {
		p.text.WriteString(line)
	}
}

// expand replaces $NAME, ${NAME}, ${NAME:-default} and ${NAME-default} while ENVSUB is on; $$ is one $. A variable that isn't set and
// has no default is an error when the script is to run: goose would make it empty.
func (p *parser) expand(line string) string {
	if !p.envsub {
		return line
	}
	var b strings.Builder
	for i := 0; i < len(line); {
		if line[i] != '$' {
			b.WriteByte(line[i])
			i++
			continue
		}
		value, n := p.variable(line[i:])
		b.WriteString(value)
		i += n
	}
	return b.String()
}

// variable reads what begins with a dollar sign, and returns what stands for it and how long it was.
func (p *parser) variable(s string) (string, int) {
	switch {
	case strings.HasPrefix(s, "$$"):
		return "$", 2
	case strings.HasPrefix(s, "${"):
		body, _, closed := strings.Cut(s[2:], "}")
		n := nameLength(body)
		if !closed || n == 0 {
			return s[:2], 2
		}
		return p.lookUp(body[:n], body[n:]), len(body) + 3
	}
	if n := nameLength(s[1:]); n > 0 {
		return p.lookUp(s[1:1+n], ""), n + 1
	}
	return "$", 1
}

func nameLength(s string) int {
	n := 0
	for n < len(s) && s[n] < 0x80 && (sqltoken.IsLetter(s[n]) || n > 0 && sqltoken.IsDigit(s[n])) {
		n++
	}
	return n
}

func (p *parser) lookUp(name, rest string) string {
	value, ok := "", false
	if p.env != nil {
		value, ok = p.env(name)
	}
	if fallback, has := strings.CutPrefix(rest, ":-"); has {
		if value == "" {
			return fallback
		}
		return value
	}
	if fallback, has := strings.CutPrefix(rest, "-"); has {
		if !ok {
			return fallback
		}
		return value
	}
	if (!ok || rest != "") && p.unset == nil {
		p.unset = fault.New(fault.Config, "%s:%d: ${%s%s} has no value", p.m.File, p.line, name, rest).
			WithHint("set the variable %s, or write ${%s:-default}", name, name)
	}
	return value
}
