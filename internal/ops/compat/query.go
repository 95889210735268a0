package compat

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// Query is one named query.
type Query struct {
	Name   string
	SQL    string   // with $1, $2 and so on
	Params []string // their names, where they have any
}

// maxQueryFile is far beyond any file of queries that people write.
const maxQueryFile = 4 << 20

var queryName = regexp.MustCompile(`^--\s*name:\s*(\S*)\s*(:\S*)?\s*$`)

// ReadQueries reads the named queries of every .sql file in the root of fsys, in the form of sqlc.
func ReadQueries(fsys fs.FS) ([]Query, error) {
	files, err := fs.Glob(fsys, "*.sql")
	if err != nil || len(files) == 0 {
		return nil, fault.New(fault.Config, "there are no .sql files with queries").
			WithHint("give the folder whose files hold \"-- name: GetUser :one\" and the like")
	}
	slices.Sort(files)
	var out []Query
	seen := map[string]string{}
	for _, f := range files {
		data, err := fs.ReadFile(fsys, f)
		if err != nil {
			return nil, fault.Wrap(err, fault.Config, "%s can't be read", f)
		}
		queries, err := ParseQueries(f, string(data))
		if err != nil {
			return nil, err
		}
		for _, q := range queries {
			if other := seen[q.Name]; other != "" {
				return nil, fault.New(fault.Invalid, "%s: query %s is in %s too", f, q.Name, other)
			}
			seen[q.Name] = f
		}
		out = append(out, queries...)
	}
	return out, nil
}

// ParseQueries reads one file. A query begins behind its line "-- name: Name :one" and ends before the next one.
func ParseQueries(file, text string) ([]Query, error) {
	if len(text) > maxQueryFile {
		return nil, fault.New(fault.TooLarge, "%s has more than %d MB", file, maxQueryFile>>20)
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	var out []Query
	var body strings.Builder
	line := 0
	end := func() error {
		if len(out) == 0 {
			if len(sqltoken.Split(body.String())) > 0 {
				return fault.New(fault.Invalid, "%s: there is SQL before the first \"-- name:\" line", file)
			}
			return nil
		}
		q := &out[len(out)-1]
		var err error
		if q.SQL, q.Params, err = number(body.String()); err != nil {
			return fault.New(fault.Invalid, "%s: query %s: %v", file, q.Name, err)
		}
		return nil
	}
	for l := range strings.Lines(text) {
		line++
		m := queryName.FindStringSubmatch(strings.TrimSpace(l))
		if m == nil {
			body.WriteString(l)
			continue
		}
		if m[1] == "" || strings.HasPrefix(m[1], ":") || m[2] == "" {
			return nil, fault.New(fault.Invalid, "%s:%d: the line is not \"-- name: Name :one\"", file, line)
		}
		if err := end(); err != nil {
			return nil, err
		}
		out = append(out, Query{Name: m[1]})
		body.Reset()
	}
	return out, end()
}

// number replaces what sqlc writes for parameters, @name, sqlc.arg(name), sqlc.narg(name), sqlc.slice(name), with $n, and
// sqlc.embed(t) with t.*. A name keeps its number; numbers that are there already stay.
func number(sql string) (out string, names []string, err error) {
	tokens := sqltoken.Split(sql)
	for len(tokens) > 0 && tokens[len(tokens)-1].Is(";") {
		sql, tokens = sql[:tokens[len(tokens)-1].At], tokens[:len(tokens)-1]
	}
	if len(tokens) == 0 {
		return "", nil, errors.New("there is no statement")
	}
	if slices.ContainsFunc(tokens, func(t sqltoken.Token) bool { return t.Is(";") }) && !atomicBody(tokens) {
		return "", nil, errors.New("there is more than one statement")
	}
	p := placeholders{numbers: map[string]int{}, names: make([]string, highest(tokens))}
	var b strings.Builder
	at := 0
	for i := 0; i < len(tokens); i++ {
		text, last := p.replace(tokens, i)
		if text == "" {
			continue
		}
		b.WriteString(sql[at:tokens[i].At])
		b.WriteString(text)
		at, i = tokens[last].At+len(tokens[last].Text), last
	}
	b.WriteString(sql[at:])
	return strings.TrimSpace(b.String()), p.names, nil
}

// atomicBody says whether semicolons may be inside: a function with a body of its own.
func atomicBody(tokens []sqltoken.Token) bool {
	return slices.ContainsFunc(tokens, func(t sqltoken.Token) bool { return t.Is("atomic") })
}

type placeholders struct {
	numbers map[string]int
	names   []string // of $1, $2; empty for one that was a number already
}

func (p *placeholders) of(name string) string {
	if p.numbers[name] == 0 {
		p.names = append(p.names, name)
		p.numbers[name] = len(p.names)
	}
	return "$" + strconv.Itoa(p.numbers[name])
}

// replace returns what stands for the parameter that begins at token i, and its last token.
func (p *placeholders) replace(w words, i int) (text string, last int) {
	switch {
	case w.is(i, "@") && w.name(i+1) != "" && w[i+1].At == w[i].At+1 && !operator(w, i):
		return p.of(w[i+1].Text), i + 1
	case w.is(i, "sqlc") && w.is(i+1, ".") && w.is(i+3, "(") && w.is(i+5, ")") && (w[i+4].Name() || w[i+4].Kind == sqltoken.String):
		if w.is(i+2, "arg", "narg", "slice") {
			return p.of(w[i+4].Text), i + 5
		}
		if w.is(i+2, "embed") {
			return w[i+4].Text + ".*", i + 5
		}
	}
	return "", i
}

// operator says whether the @ at i ends an operator, such as <@ and @@.
func operator(w words, i int) bool {
	return i > 0 && w[i-1].Kind == sqltoken.Symbol && w[i-1].At+1 == w[i].At && strings.Contains("<>@~!#%^&|`?+-*/=", w[i-1].Text)
}

// highest is the greatest number of the parameters $1, $2 that are there.
func highest(tokens []sqltoken.Token) int {
	top := 0
	for i, t := range tokens {
		if t.Is("$") && i+1 < len(tokens) && tokens[i+1].Kind == sqltoken.Number && tokens[i+1].At == t.At+1 {
			if n, err := strconv.Atoi(tokens[i+1].Text); err == nil && n <= 65535 {
				top = max(top, n)
			}
		}
	}
	return top
}
