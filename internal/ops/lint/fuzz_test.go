package lint

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/platctl/platctl/internal/ops/migrate"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// FuzzLint checks that any text is judged, and that a statement is ok only when its first word is one that begins a known kind, and
// stops being ok when something unheard of stands at its end.
func FuzzLint(f *testing.F) {
	for _, tc := range ruleCases() {
		f.Add(tc.sql)
	}
	kinds := map[string]bool{}
	for _, k := range (*stmt).kinds(nil) {
		kinds[strings.Fields(k.words)[0]] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, head := range []string{"", "-- +goose NO TRANSACTION\n"} {
			m, err := migrate.New(fstest.MapFS{"1_before.sql": {Data: []byte(before)}, "2_x.sql": {Data: []byte(head + "-- +goose Up\n" + text)}}, migrate.Options{})
			if err != nil {
				return
			}
			rep := Lint(m.Migrations(), Options{Style: true})
			if rep.OK+rep.Traces > rep.Statements || rep.Statements != len(rep.Judgements) {
				t.Fatalf("%+v of %q", rep, text)
			}
			for _, fd := range rep.Findings {
				if fd.Name == "" || fd.Line < 1 {
					t.Fatalf("%+v of %q", fd, text)
				}
			}
			ups := m.Migrations()[1].Up.Statements
			for _, j := range rep.Judgements {
				if j.Verdict != OK || j.File != "2_x.sql" || j.Direction != "up" {
					continue
				}
				r := reader{toks: firstPiece(ups[j.Statement].SQL)}
				if w := r.peek().Text; !kinds[w] {
					t.Fatalf("%q begins no known kind and is ok in %q", w, text)
				}
			}
		}
	})
}

func firstPiece(sql string) tokens { return pieces(sqltoken.Split(sql))[0] }

// What is understood is understood to its end: with a word that means nothing behind it, no statement of the cases that has a
// grammar is ok. Those that hold any text (functions, queries, comments, rights) are left out.
func TestNothingIsLeftUnread(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, sql := range strings.Split(closedForms, "\n") {
		if sql = strings.TrimSpace(sql); sql == "" {
			continue
		}
		for _, head := range []string{"-- +goose Up\n", "-- +goose NO TRANSACTION\n-- +goose Up\n"} {
			_, rep := judge(t, Options{Server: Server{18, latest}}, fmt.Sprintf("%s%s frobnicate the gizmo;\n", head, sql))
			if rep.Judgements[0].Verdict != NeedsTrace {
				t.Errorf("%s frobnicate the gizmo: %s", sql, rep.Judgements[0].Verdict)
			}
			tried++
		}
	}
	if tried < 50 {
		t.Errorf("only %d tried", tried)
	}
}

const closedForms = `
create table n (a int)
create index concurrently i on t (a)
create schema x
alter table t add column x int
alter table t add constraint k check (a > 0) not valid
alter table t add foreign key (a) references u (id) not valid
alter table t add unique using index t_b
alter table t drop column a
alter table t drop constraint t_c_check
alter table t alter column a drop not null
alter table t alter column a type int
alter table t alter column a set not null
alter table t validate constraint t_c_check
alter table t rename a to b
alter table t rename to b
alter table t set schema app
alter table log detach partition log_1
alter index t_a rename to x
alter type mood add value 'x'
drop table t
drop index t_a
drop view v
drop function f()
drop trigger g on t
truncate t
lock table t in share mode
reindex table t
refresh materialized view mv
cluster t using t_a
vacuum t
`
