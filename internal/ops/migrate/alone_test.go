package migrate

import (
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestAboutOf(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]about{
		"create index concurrently on only a.b (x)":                               {"create", "", "a.b"},
		"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON t (x)":           {"create", `"I"`, "t"},
		"create index i on t (x)":                                                 {},
		"drop index concurrently if exists s.i":                                   {"drop", "s.i", "s.i"},
		"reindex index concurrently i":                                            {"reindex", "i", "i"},
		"reindex (concurrently, verbose) table s.t":                               {"reindex", "s.t", "s.t"},
		"reindex schema concurrently s":                                           {verb: "reindex"},
		"alter table if exists only p detach partition p1 concurrently":           {"detach", "p1", "p"},
		"alter table p detach partition p1":                                       {},
		"do $$ begin commit; end $$":                                              {},
		"create index concurrently /* on nothing */ i on t using gin (x) where y": {"create", "i", "t"},
	} {
		if got := aboutOf(sql); got != want {
			t.Errorf("%s: %+v, want %+v", sql, got, want)
		}
	}
}

// The server goes away in the middle of a detachment, which then hangs halfway: the next up ends it.
func TestDetachIsFinished(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	watch, holder := connect(t, url), connect(t, url)
	run(t, watch, "create table p (id int) partition by range (id)")
	run(t, watch, "create table p1 partition of p for values from (0) to (10)")
	run(t, holder, "begin; select from p")
	m := migrator(t, Options{}, "1_a.sql", noTx+"alter table p detach partition p1 concurrently;\n")
	done := make(chan error, 1)
	go func() { _, err := m.Up(t.Context(), url, 0); done <- err }()
	for str(t, watch, "select count(*)::text from pg_inherits where inhdetachpending") != "1" {
		time.Sleep(time.Millisecond)
	}
	run(t, watch, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'platctl migrate' and datname = current_database()")
	wantFault(t, <-done, fault.Unavailable, "the connection broke")
	run(t, holder, "rollback")
	if res := mustUp(t, m, url); len(res.Applied) != 1 {
		t.Errorf("%+v", res)
	}
	if n := str(t, watch, "select count(*)::text from pg_inherits"); n != "0" {
		t.Errorf("%s partitions hang on it", n)
	}
}

// Code that commits by itself can't be counted with itself: it is noted before, and said to run again after a cut.
func TestCommittingCodeRunsAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, "create table a (id int)")
	m := migrator(t, Options{}, "1_a.sql", noTx+"-- +goose StatementBegin\ndo $$ begin insert into a values (1); commit; perform 1 / (select count(*) from a where id = 2); end $$;\n-- +goose StatementEnd\n")
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Failed, "0 of its 1 statements are applied")
	run(t, conn, "insert into a values (2)")
	res := mustUp(t, m, url)
	if len(res.Warnings) != 1 || res.Warnings[0] != "statement 1 had begun before; it commits by itself, so all of it runs again" {
		t.Errorf("warnings %q", res.Warnings)
	}
	if got := str(t, conn, "select string_agg(id::text, ' ' order by id) from a"); got != "1 1 2" {
		t.Errorf("rows %s", got)
	}
}
