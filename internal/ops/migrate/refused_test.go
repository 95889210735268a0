package migrate

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// A database that another tool has migrated is adopted, not migrated again.
func TestForeignLedgerIsRefused(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, "create table goose_db_version (id int, version_id bigint, is_applied bool, tstamp timestamp default now()); insert into goose_db_version values (1, 0, true), (2, 1, true)")
	files := []string{"1_a.sql", up + "create table a ();\n", "2_b.sql", up + "create table b ();\n"}
	m := migrator(t, Options{}, files...)
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "goose has kept in goose_db_version what it applied here")
	if hint := fault.From(err).Hint; !strings.Contains(hint, "platctl migrate adopt") {
		t.Errorf("hint %q", hint)
	}
	if _, err := m.Adopt(t.Context(), url, ""); err != nil {
		t.Fatal(err)
	}
	if res := mustUp(t, m, url); len(res.Applied) != 1 || res.Applied[0].Version != 2 {
		t.Errorf("%+v", res)
	}
	other := pgtest.Empty(t)
	run(t, connect(t, other), "create table schema_version (version int)")
	mustUp(t, migrator(t, Options{FromNothing: true}, files...), other)
}

// A standby, or a database that was set to be read only, is told by that and not by the first statement that fails.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	run(t, conn, "alter database "+pgx.Identifier{conn.Config().Database}.Sanitize()+" set default_transaction_read_only = on")
	m := migrator(t, Options{}, "1_a.sql", up+"create table a ();\n")
	_, err := m.Up(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "the database only reads; nothing was done")
	if !strings.Contains(fault.From(err).Hint, "primary") {
		t.Errorf("hint %q", fault.From(err).Hint)
	}
	if st := status(t, m, connect(t, url)); st.Pending != 1 {
		t.Errorf("status answers all the same: %+v", st)
	}
}

// Bad files are refused before anything is done, with the line and what to do.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, says string }{
		"unterminated $$": {up + "create function f() returns int language sql as $$ select 1;\n", "the statement that begins on line 2 has no end; a semicolon, quote or parenthesis is missing"},
		"empty":           {"", `there is no line "-- +goose Up"`},
		"directive":       {up + "-- platctl: fase expand\n", `1_a.sql:2: unknown directive "fase"`},
	} {
		_, err := New(mapFS("1_a.sql", tc.text), Options{})
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := New(mapFS("1_a.sql", up, "1_b.sql", up), Options{})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "1_a.sql and 1_b.sql have the same version") || fault.From(err).Hint == "" {
		t.Errorf("twice: %v", err)
	}
	url := pgtest.Empty(t)
	m := migrator(t, Options{}, "1_a.sql", "\ufeff-- +goose Up\r\ncreate table a (t text default '\r\n');\r\n")
	mustUp(t, m, url)
	if got := str(t, connect(t, url), "select column_default from information_schema.columns where table_name = 'a'"); got != "'\n'::text" {
		t.Errorf("BOM and CRLF: %q", got)
	}
	_, err = m.Down(t.Context(), url, 0)
	wantFault(t, err, fault.Conflict, "1_a has no way down; nothing was done")
}
