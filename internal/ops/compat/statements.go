package compat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
)

// statements prepares and plans each statement, and compares its types with those that the release knows.
func (j *judge) statements(ctx context.Context) error {
	j.plans = make([]*planned, len(j.contract.Statements))
	for i, s := range j.contract.Statements {
		p, err := plan(ctx, j.conn, prepared(i), s.SQL)
		if err != nil {
			if ferr := j.failed(ctx, s, err); ferr != nil {
				return ferr
			}
			continue
		}
		j.plans[i] = p
		j.report.Planned++
	}
	var done []*planned
	for _, p := range j.plans {
		if p != nil {
			done = append(done, p)
		}
	}
	var names map[uint32]string
	err := pgx.BeginFunc(ctx, j.conn, func(tx pgx.Tx) (err error) {
		names, err = typeNames(ctx, tx, done)
		return err
	})
	if err != nil {
		return databaseFault(err, "the names of types can't be read")
	}
	for i, p := range j.plans {
		if p != nil {
			j.compare(j.contract.Statements[i], p, names)
		}
	}
	return nil
}

// failed takes what the server said to a statement. An error is returned where it says nothing about the statement.
func (j *judge) failed(ctx context.Context, s manifest.Statement, err error) error {
	var e *pgconn.PgError
	switch {
	case ctx.Err() != nil:
		return fault.Wrap(ctx.Err(), fault.Canceled, "interrupted")
	case pg.Is(err, pg.LockNotAvailable):
		j.report.add(Finding{Verdict: Inconclusive, Layer: Statements, Statements: []string{s.Name}, Reason: s.Name + " can't be planned: somebody has a lock on one of its tables"})
		return nil
	case pg.Is(err, pg.QueryCanceled):
		j.report.add(Finding{Verdict: Inconclusive, Layer: Statements, Statements: []string{s.Name}, Reason: s.Name + " can't be planned in time"})
		return nil
	case pg.Down(err) || !errors.As(err, &e):
		return fault.Wrap(err, fault.Unavailable, "the connection broke at statement %s", s.Name)
	}
	j.report.add(Finding{Verdict: Broken, Layer: Statements, Object: objectOf(e, s), SQLState: e.Code, Statements: []string{s.Name},
		Reason: s.Name + ": " + e.Message})
	return nil
}

// objectOf is what the server complains of: the last quoted name of its message.
func objectOf(e *pgconn.PgError, s manifest.Statement) string {
	for _, u := range s.Uses {
		for _, c := range u.Columns {
			if strings.Contains(e.Message, "column "+c+" ") || strings.Contains(e.Message, `"`+c+`"`) || strings.Contains(e.Message, "."+c+" ") {
				return u.Relation + "." + c
			}
		}
		if strings.Contains(e.Message, `"`+unqualified(u.Relation)+`"`) || strings.Contains(e.Message, " "+unqualified(u.Relation)+" ") {
			return u.Relation
		}
	}
	return ""
}

// compare holds the types that the server has for a statement against those of the contract.
func (j *judge) compare(s manifest.Statement, p *planned, names map[uint32]string) {
	say := func(v Verdict, state, format string, args ...any) {
		j.report.add(Finding{Verdict: v, Layer: Statements, SQLState: state, Statements: []string{s.Name}, Reason: s.Name + ": " + fmt.Sprintf(format, args...)})
	}
	if len(p.desc.ParamOIDs) != len(s.Params) {
		say(Broken, "08P01", "it has %d parameters, and had %d", len(p.desc.ParamOIDs), len(s.Params))
		return
	}
	for i, oid := range p.desc.ParamOIDs {
		if now := names[oid]; now != s.Params[i] && !wider(s.Params[i], now) {
			say(Unproven, "", "parameter %d is %s now, and was %s", i+1, now, s.Params[i])
		}
	}
	if len(p.desc.Fields) != len(s.Columns) {
		say(Broken, "0A000", "it returns %d columns, and returned %d", len(p.desc.Fields), len(s.Columns))
		return
	}
	for i, f := range p.desc.Fields {
		was := s.Columns[i]
		if now := names[f.DataTypeOID]; now != was.Type && !sameOnTheWire(was.Type, now) {
			say(Unproven, "", "column %s is %s now, and the release reads %s", was.Name, now, was.Type)
		}
		if f.Name != was.Name {
			say(Unproven, "", "column %s is called %s now", was.Name, f.Name)
		}
	}
	j.elsewhere(s, p, say)
}

// elsewhere finds what the statement does to other relations than it did: a name that leads elsewhere, a rule, a view.
func (j *judge) elsewhere(s manifest.Statement, p *planned, say func(Verdict, string, string, ...any)) {
	if s.Uses == nil {
		return
	}
	for _, r := range p.relations {
		if !slices.ContainsFunc(s.Uses, func(u manifest.Use) bool { return u.Relation == r }) {
			j.strangers = append(j.strangers, stranger{s, r})
		}
	}
	for _, w := range []struct {
		verb     string
		was, now []string
	}{{"inserts into", s.Inserts, p.inserts}, {"updates", s.Updates, p.updates}, {"deletes from", s.Deletes, p.deletes}} {
		if gone := without(w.was, w.now); len(gone) > 0 {
			say(Unproven, "", "it no longer %s %s", w.verb, strings.Join(gone, ", "))
		}
	}
}

// stranger is a relation that a statement reads now and didn't.
type stranger struct {
	statement manifest.Statement
	relation  string
}

// explain tells which strangers are partitions or children of what the statement reads, which are none.
func (j *judge) explain(live *world) {
	for _, st := range j.strangers {
		of := func(f manifest.Fact) bool {
			of, ok := strings.CutPrefix(f.Fact, "partition of ")
			if !ok {
				of, ok = strings.CutPrefix(f.Fact, "inherits ")
			}
			of, _, _ = strings.Cut(of, " ")
			return ok && slices.ContainsFunc(st.statement.Uses, func(u manifest.Use) bool { return u.Relation == of })
		}
		if !slices.ContainsFunc(live.of(st.relation), of) {
			j.report.add(Finding{Verdict: Unproven, Layer: Statements, Object: st.relation, Statements: []string{st.statement.Name},
				Reason: st.statement.Name + ": it reads " + st.relation + " now"})
		}
	}
}

// without returns what a has and b hasn't.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return slices.Contains(b, x) })
}
