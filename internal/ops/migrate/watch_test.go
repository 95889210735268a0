package migrate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// The ledger keeps which locks a file took on its way up, statement by statement where it has no transaction, and of what is gone
// the number.
func TestLocksSeen(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	m := migrator(t, Options{}, "1_a.sql", up+"create table a (id int primary key);\ncreate table b (id int);",
		"2_b.sql", up+"alter table a add x int;\ndrop table b;", "3_c.sql", noTx+"alter table a add y int;\ncreate index concurrently a_x on a (x);\nlock table a in share mode;")
	mustUp(t, m, url)
	got := func(version string) string {
		return str(t, conn, "select coalesce(string_agg(concat_ws(':', l ->> 'relation', l ->> 'mode'), ' ' order by n), '') from platctl.migrations, jsonb_array_elements(locks) with ordinality x (l, n) where version = "+version)
	}
	if l := got("2"); !strings.Contains(l, "public.a:AccessExclusiveLock") || strings.Contains(l, "public.b") || len(strings.Fields(l)) != 2 {
		t.Errorf("2: %s", l)
	}
	if l := got("3"); l != "public.a:AccessExclusiveLock public.a:ShareLock" {
		t.Errorf("3: %s", l)
	}
	if l := got("1"); strings.Contains(l, "platctl") || !strings.Contains(l, "public.a_pkey") {
		t.Errorf("1: %s", l)
	}
}

// spy notes what it is called for.
type spy struct {
	calls  []string
	refuse string
}

func (s *spy) Before(_ context.Context, conn *pgx.Conn, at Point) error {
	s.calls = append(s.calls, strings.TrimSpace("before "+string(conn.PgConn().TxStatus())+" "+at.Statement.SQL))
	if s.refuse != "" && strings.Contains(at.Statement.SQL, s.refuse) {
		return errors.New("refused")
	}
	return nil
}

func (s *spy) After(_ context.Context, _ *pgx.Conn, at Point, err error) error {
	s.calls = append(s.calls, "after")
	if err != nil {
		s.calls[len(s.calls)-1] = "failed"
	}
	return nil
}

// A watcher stands around every statement, inside its transaction, and can refuse one.
func TestWatcher(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	s := &spy{}
	m := migrator(t, Options{Watch: s}, "1_a.sql", up+"select 1;\nselect 2;", "2_b.sql", noTx+"vacuum;", "3_c.sql", up+"select nonsense;")
	if _, err := m.Up(t.Context(), url, 0); err == nil {
		t.Fatal("3_c.sql can't be applied")
	}
	if got := strings.Join(s.calls, "; "); got != "before T select 1;; after; before T select 2;; after; before I vacuum;; after; before T select nonsense;; failed" {
		t.Error(got)
	}
	s.refuse = "nonsense"
	if _, err := m.Up(t.Context(), url, 0); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}
