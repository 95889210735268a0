package lint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/migrate"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// Options shapes what Lint looks for. The zero value of a field takes the value in its comment.
type Options struct {
	Server Server                        // 15; the PostgreSQL that the migrations are for
	Style  bool                          // also the rules of style
	Wants  func(*migrate.Migration) bool // every one; which files are judged, and the others only read
}

// Server is a version of PostgreSQL: 15, or 14.2 where the minor one matters.
type Server struct{ Major, Minor int }

// ParseServer reads a version.
func ParseServer(s string) (Server, error) {
	major, minor, dotted := strings.Cut(s, ".")
	m, err := strconv.Atoi(major)
	n := latest
	if err == nil && dotted {
		n, err = strconv.Atoi(minor)
	}
	if err != nil || m < 12 || m > 99 || n < 0 {
		return Server{}, fault.New(fault.Usage, "%q is not a version of PostgreSQL from 12 on, such as 15 or 14.2", s)
	}
	return Server{m, n}, nil
}

const latest = 999 // the minor version of who doesn't say

// String returns what ParseServer reads.
func (v Server) String() string {
	if v.Minor == latest {
		return strconv.Itoa(v.Major)
	}
	return fmt.Sprintf("%d.%d", v.Major, v.Minor)
}

// run judges one direction of one file.
type run struct {
	opts   Options
	book   ruleBook
	w      *world
	mg     *migrate.Migration
	script *migrate.Script
	down   bool
	tx     *tx
	own    *tx  // what BEGIN and COMMIT of the file make of it
	utc    bool // the session's time zone is UTC
	out    []judged
}

// judged is a statement with what was found.
type judged struct {
	Judgement
	found []Finding
}

// Lint judges migrations, which come in the order of their versions and with every older one: what a table is, the older files say.
func Lint(all []*migrate.Migration, o Options) *Report {
	if o.Server == (Server{}) {
		o.Server = Server{15, latest}
	}
	rep := &Report{Server: o.Server.String(), Findings: []Finding{}, Judgements: []Judgement{}}
	w, book := newWorld(), newRuleBook()
	for i, mg := range all {
		w.file, w.schema = i+1, "public"
		r := run{opts: o, book: book, w: w, mg: mg, script: &mg.Up}
		r.all()
		if o.Wants != nil && !o.Wants(mg) {
			continue
		}
		r.directives()
		r.keysWithoutIndex()
		down := run{opts: o, book: book, w: w.clone(), mg: mg, script: &mg.Down, down: true}
		down.w.schema = "public"
		down.all()
		rep.add(mg, book, o, append(r.out, down.out...))
	}
	return rep
}

// all judges the statements of the script.
func (r *run) all() {
	r.tx = newTx(!r.script.Stepwise)
	for i, st := range r.script.Statements {
		pieces := pieces(sqltoken.Split(st.SQL))
		if len(pieces) > 1 && !r.tx.open { // one message: the server makes one transaction of it
			outer := r.tx
			r.tx = newTx(true)
			r.statement(i, st, pieces)
			r.tx = outer
			continue
		}
		r.statement(i, st, pieces)
	}
}

// statement judges one statement of a file, which holds several where StatementBegin stands before it.
func (r *run) statement(i int, st migrate.Statement, pieces []tokens) {
	j := judged{Judgement: Judgement{File: r.file(), Line: st.Line, Direction: r.direction(), Statement: i, Verdict: OK}}
	for _, p := range pieces {
		s := &stmt{reader: reader{toks: p}, r: r, sql: st.SQL, line: st.Line, no: i}
		s.judge()
		r.hold(s)
		if r.own != nil {
			r.tx, r.own = r.own, nil
		}
		j.found = append(j.found, s.found...)
		for _, l := range s.locks {
			j.Locks = append(j.Locks, l.String())
		}
	}
	r.out = append(r.out, j)
}

// pieces cuts at semicolons. A body in SQL (BEGIN ATOMIC) has its own.
func pieces(toks tokens) []tokens {
	var out []tokens
	r := reader{toks: toks}
	if r.take("create") && (r.take("or replace") || true) && r.any("function", "procedure") {
		for i := range toks {
			if (&reader{toks: toks, at: i}).is("begin atomic") {
				return []tokens{toks}
			}
		}
	}
	for _, p := range split(toks, ";") {
		if len(p) > 0 {
			out = append(out, p)
		}
	}
	return out
}

func (r *run) direction() string {
	if r.down {
		return "down"
	}
	return "up"
}

// file is where the direction stands: golang-migrate has a file for each.
func (r *run) file() string {
	if name, ok := strings.CutSuffix(r.mg.File, ".up.sql"); ok && r.down {
		return name + ".down.sql"
	}
	return r.mg.File
}

// directives judges what the head of the file says.
func (r *run) directives() {
	lock, statement := r.mg.Timeouts()
	if lock != nil && *lock == 0 {
		r.ofFile("L29", "the directive lock_timeout 0 waits for ever")
	}
	if statement != nil && *statement == 0 {
		r.ofFile("L30", "the directive statement_timeout 0 lets a statement take for ever")
	}
}

// ofFile adds a finding that belongs to no statement.
func (r *run) ofFile(rule, format string, args ...any) {
	r.out = append(r.out, judged{Judgement: Judgement{File: r.file(), Line: 1, Direction: r.direction(), Statement: -1},
		found: []Finding{r.finding(rule, 1, -1, fmt.Sprintf(format, args...))}})
}

func (r *run) finding(rule string, line, statement int, message string) Finding {
	def := r.book[rule]
	return Finding{File: r.file(), Version: r.mg.Version, Line: line, Direction: r.direction(), Statement: statement,
		Rule: rule, Name: def.Name, Severity: def.Severity, Message: message}
}
