package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// Migration is one file.
type Migration struct {
	Version  int64
	Name     string // the file's name without number and extension
	File     string
	Phase    string // expand, contract or backfill; empty where the file doesn't say
	Up, Down Script
	Allows   []Allow // what the file excuses, in the order of its lines

	lockTimeout      *time.Duration // nil: the runner's
	statementTimeout *time.Duration // nil: the server's
	batch            *Batch         // nil: the file runs once
	retries          *int           // nil: the runner's attempts
}

// Script is one direction of a file.
type Script struct {
	Text       string // as in the file, without the marks around it
	SHA256     string // of Text
	Statements []Statement
	Stepwise   bool // NO TRANSACTION: one statement after the other, each counted

	unset error // names a variable of the environment that the script needs and that isn't set
}

var fileName = regexp.MustCompile(`^(\d+)_(.+)\.sql$`)

// parser reads one file line by line.
type parser struct {
	m        *Migration
	dialect  dialect
	env      Env
	envsub   bool
	unset    error   // of the section
	section  *Script // nil before "+goose Up"
	text     strings.Builder
	split    splitter
	block    bool // inside StatementBegin
	line     int
	seen     map[string]int // directive -> line
	downSeen bool
}

// newParser begins a file whose name is NUMBER_name and one of the suffixes of dialects.
func newParser(name string, d dialect, env Env) (*parser, error) {
	match := fileName.FindStringSubmatch(name)
	if match == nil {
		return nil, fault.New(fault.Invalid, "%s: the name is not NUMBER_name.sql", name)
	}
	version, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil || version < 1 {
		return nil, fault.New(fault.Invalid, "%s: %s is not a version from 1 to %d", name, match[1], int64(1<<63-1))
	}
	return &parser{m: &Migration{Version: version, Name: match[2], File: name}, dialect: d, env: env, seen: map[string]int{}}, nil
}

// parseFile reads a migration that has its ways up and down in one file. Every error names the line.
func parseFile(name, text string, env Env) (*Migration, error) {
	p, err := newParser(name, dialectOf(text), env)
	if err != nil {
		return nil, err
	}
	if err := p.read(text); err != nil {
		return nil, err
	}
	if p.section == nil {
		return nil, p.fail("there is no line \"-- +goose Up\" or \"-- migrate:up\"")
	}
	if err := p.endSection(); err != nil {
		return nil, err
	}
	return p.m, checkControl(name, &p.m.Up)
}

func (p *parser) read(text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fault.New(fault.Invalid, "%s is not UTF-8 text", p.m.File)
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	for line := range strings.Lines(text) {
		p.line++
		if err := p.add(line); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) fail(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "%s:%d: "+format, append([]any{p.m.File, max(p.line, 1)}, args...)...)
}

func (p *parser) add(line string) error {
	if marked, err := p.mark(line); marked || err != nil {
		return err
	}
	if mark, ok := annotation(line, "platctl:"); ok && !p.block && p.split.lex.in == 0 {
		if p.section != nil {
			p.text.WriteString(line)
		}
		return p.directive(mark)
	}
	if p.section == nil {
		if t := strings.TrimSpace(line); t != "" && !strings.HasPrefix(t, "--") {
			return p.fail("SQL before the line that begins the way up")
		}
		return nil
	}
	p.text.WriteString(line)
	line = p.expand(line)
	if p.block {
		p.split.buf.WriteString(line)
	} else {
		p.split.add(line, p.line)
	}
	return nil
}

// annotation returns what follows the prefix in a comment that begins a line.
func annotation(line, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "--")
	if !ok {
		return "", false
	}
	return strings.CutPrefix(strings.TrimSpace(rest), prefix)
}

func (p *parser) goose(mark, line string) error {
	mark = strings.TrimSpace(mark)
	if mark == "StatementBegin" || mark == "StatementEnd" {
		return p.bracket(mark, line)
	}
	if p.block {
		return p.fail("+goose %s inside a StatementBegin block", mark)
	}
	switch mark {
	case "Up":
		return p.beginUp("+goose Up")
	case "Down":
		return p.beginDown("+goose Down", "+goose Up")
	case "NO TRANSACTION":
		p.m.Up.Stepwise, p.m.Down.Stepwise = true, true
	case "ENVSUB ON", "ENVSUB OFF":
		p.substitute(mark == "ENVSUB ON", line)
	default:
		return p.fail("unknown annotation \"+goose %s\"", mark)
	}
	return nil
}

func (p *parser) beginUp(mark string) error {
	if p.section != nil {
		return p.fail("a second %s", mark)
	}
	p.begin(&p.m.Up)
	return nil
}

func (p *parser) beginDown(mark, up string) error {
	if p.section == nil || p.downSeen {
		return p.fail("%s is not after one %s", mark, up)
	}
	if err := p.endSection(); err != nil {
		return err
	}
	p.downSeen = true
	p.begin(&p.m.Down)
	return nil
}

// begin opens a section. Its text says what its lines mean, also when it is read without the lines above.
func (p *parser) begin(section *Script) {
	p.section = section
	if p.envsub {
		p.text.WriteString("-- +goose ENVSUB ON\n")
	}
}

// bracket reads StatementBegin and StatementEnd: what is between them is one statement, whatever it holds.
func (p *parser) bracket(mark, line string) error {
	if p.section == nil {
		return p.fail("+goose %s before +goose Up", mark)
	}
	p.text.WriteString(line)
	begin := mark == "StatementBegin"
	switch {
	case begin && p.split.lex.open():
		return p.fail("StatementBegin inside the statement that begins on line %d", p.split.from)
	case begin && p.block:
		return p.fail("StatementBegin inside a StatementBegin block")
	case !begin && !p.block:
		return p.fail("StatementEnd without StatementBegin")
	case begin:
		p.split.buf.Reset()
		p.split.from = p.line + 1
	default:
		p.split.flush(strings.TrimSpace(p.split.buf.String()) == "")
	}
	p.block = begin
	return nil
}

func (p *parser) endSection() error {
	if p.block {
		return p.fail("StatementBegin on line %d has no StatementEnd", p.split.from-1)
	}
	if p.split.lex.open() {
		return p.fail("the statement that begins on line %d has no end; a semicolon, quote or parenthesis is missing", p.split.from)
	}
	if err := p.allowsNothing(); err != nil {
		return err
	}
	text := p.text.String()
	sum := sha256.Sum256([]byte(text))
	*p.section = Script{Text: text, SHA256: hex.EncodeToString(sum[:]), Statements: p.split.out, Stepwise: p.section.Stepwise, unset: p.unset}
	p.text.Reset()
	p.split, p.unset = splitter{}, nil
	return nil
}

// directive reads what follows "-- platctl:".
func (p *parser) directive(mark string) error {
	if p.split.lex.open() {
		return p.fail("a directive inside the statement that begins on line %d", p.split.from)
	}
	word, value, _ := strings.Cut(strings.TrimSpace(mark), " ")
	value = strings.TrimSpace(value)
	if word == "allow" {
		return p.allow(value)
	}
	if at := p.seen[word]; at > 0 {
		return p.fail("a second directive %q; the first is on line %d", word, at)
	}
	p.seen[word] = p.line
	var err error
	switch word {
	case "phase":
		if value != "expand" && value != "contract" && value != "backfill" {
			return p.fail("phase %q is not expand, contract or backfill", value)
		}
		p.m.Phase = value
	case "lock_timeout":
		p.m.lockTimeout, err = p.timeout(word, value)
	case "statement_timeout":
		p.m.statementTimeout, err = p.timeout(word, value)
	case "batch":
		err = p.batch(value)
	case "retries":
		p.m.retries, err = p.retries(value)
	default:
		return p.fail("unknown directive %q; there are phase, lock_timeout, statement_timeout, retries, batch and allow", word)
	}
	return err
}

func (p *parser) timeout(word, value string) (*time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > 0 && d < time.Millisecond || d > 24*time.Hour {
		return nil, p.fail("%s %q is not a duration between 1ms and 24h, or 0 for none", word, value)
	}
	return &d, nil
}

func (p *parser) retries(value string) (*int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > 1000 {
		return nil, p.fail("retries %q is not a number from 0 to 1000", value)
	}
	return &n, nil
}

// checkControl refuses statements that would end the runner's own transaction halfway through a file.
func checkControl(file string, script *Script) error {
	if script.Stepwise {
		return nil
	}
	for _, st := range script.Statements {
		if word := transactionControl(st.SQL); word != "" {
			return fault.New(fault.Invalid, "%s:%d: %s in a file that runs in one transaction", file, st.Line, word).
				WithHint("remove it, or add the line \"-- +goose NO TRANSACTION\"")
		}
	}
	return nil
}

func transactionControl(sql string) string {
	w := firstWords(sql, 3)
	switch w[0] {
	case "begin", "start", "commit", "end", "abort":
		return strings.ToUpper(w[0])
	case "rollback":
		if w[1] != "to" && w[2] != "to" {
			return "ROLLBACK"
		}
	case "prepare":
		if w[1] == "transaction" {
			return "PREPARE TRANSACTION"
		}
	}
	return ""
}

// firstWords returns the first n words of a statement in lower case, empty ones where there are fewer.
func firstWords(sql string, n int) []string {
	out := make([]string, n)
	i := 0
	for _, t := range sqltoken.Split(sql) {
		if i == n {
			break
		}
		if t.Kind == sqltoken.Word {
			out[i] = t.Text
			i++
		}
	}
	return out
}
