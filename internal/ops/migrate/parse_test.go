package migrate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := parseFile("00012_add_things.sql", "\ufeff"+strings.ReplaceAll(`-- why this is needed
-- platctl: phase expand
-- platctl: lock_timeout 500ms
-- +goose NO TRANSACTION
-- +goose Up
-- platctl: statement_timeout 0
create table a (v text default '
-- +goose Down
');
-- +goose StatementBegin
select 1; select 2
-- +goose StatementEnd
create index concurrently i on a (v);

-- +goose Down
drop table a;
`, "\n", "\r\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != 12 || m.Name != "add_things" || m.Phase != "expand" || !m.Up.Stepwise || !m.Down.Stepwise {
		t.Errorf("%+v", m)
	}
	if *m.lockTimeout != 500*time.Millisecond || *m.statementTimeout != 0 {
		t.Errorf("timeouts %v %v", *m.lockTimeout, *m.statementTimeout)
	}
	want := []Statement{
		{"create table a (v text default '\n-- +goose Down\n');", 7},
		{"select 1; select 2", 11}, {"create index concurrently i on a (v);", 13},
	}
	if len(m.Up.Statements) != len(want) || len(m.Down.Statements) != 1 {
		t.Fatalf("up %v down %v", m.Up.Statements, m.Down.Statements)
	}
	for i := range want {
		if m.Up.Statements[i] != want[i] {
			t.Errorf("statement %d is %v, want %v", i, m.Up.Statements[i], want[i])
		}
	}
	unix, err := parseFile("12_x.sql", "-- +goose Up\nselect 1;\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	dos, err := parseFile("12_x.sql", "-- +goose Up\r\nselect 1;\r\n", nil)
	if err != nil || dos.Up.SHA256 != unix.Up.SHA256 {
		t.Errorf("line ends change the hash: %v %v", dos, err)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	up := "-- +goose Up\n"
	for _, tc := range []struct{ file, text, says string }{
		{"x.sql", up, "NUMBER_name"},
		{"0_x.sql", up, "not a version"},
		{"99999999999999999999_x.sql", up, "not a version"},
		{"1_x.sql", "", "1_x.sql:1: there is no line"},
		{"1_x.sql", "select 1;\n" + up, "1_x.sql:1: SQL before"},
		{"1_x.sql", up + up, ":2: a second"},
		{"1_x.sql", "-- +goose Down\n", ":1: +goose Down"},
		{"1_x.sql", up + "select 1\n-- +goose Down\n", ":3: the statement that begins on line 2 has no end"},
		{"1_x.sql", up + "\nselect 'x;\n", ":3: the statement that begins on line 3"},
		{"1_x.sql", up + "-- +goose StatementBegin\nselect 1;", "StatementBegin on line 2 has no"},
		{"1_x.sql", up + "-- +goose StatementEnd\n", ":2: StatementEnd without"},
		{"1_x.sql", up + "select\n-- +goose StatementBegin\n1;", ":3: StatementBegin inside the statement"},
		{"1_x.sql", up + "-- platctl: retries few\n", `:2: retries "few" is not a number from 0 to 1000`},
		{"1_x.sql", up + "-- platctl: lock_timout 2s\n", `:2: unknown directive "lock_timout"`},
		{"1_x.sql", up + "-- platctl: lock_timeout 2\n", ":2: lock_timeout"},
		{"1_x.sql", up + "-- platctl: lock_timeout -2s\n", ":2: lock_timeout"},
		{"1_x.sql", "-- platctl: phase later\n" + up, ":1: phase"},
		{"1_x.sql", "-- platctl: phase expand\n-- platctl: phase expand\n" + up, ":2: a second directive"},
		{"1_x.sql", up + "select 1;\n\ncommit; -- really\n", ":4: COMMIT in a file"},
		{"1_x.sql", up + "/* x */ rollback;\n", ":2: ROLLBACK in a file"},
		{"1_x.sql", up + "select 1;\x00", "not UTF-8"},
		{"1_x.sql", up + "select '\xff';", "not UTF-8"},
	} {
		_, err := parseFile(tc.file, tc.text, nil)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: got %v, want invalid saying %q", tc.text, err, tc.says)
		}
	}
	if _, err := parseFile("1_x.sql", up+"savepoint a; rollback to a;\n", nil); err != nil {
		t.Errorf("savepoints are fine: %v", err)
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add("-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;")
	f.Add("-- platctl: phase expand\n-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nx;\n-- +goose StatementEnd\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseFile("1_x.sql", text, nil)
		if err != nil {
			if !errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "1_x.sql") {
				t.Fatalf("error %v is not an invalid file's", err)
			}
			return
		}
		lines := strings.Count(text, "\n") + 1
		last := 0
		for _, st := range m.Up.Statements {
			if strings.TrimSpace(st.SQL) == "" || st.Line < last || st.Line > lines {
				t.Fatalf("statement %+v of %q", st, text)
			}
			last = st.Line
		}
		// What the ledger keeps parses into the same statements; resuming depends on it.
		again, err := parseFile("1_x.sql", "-- +goose NO TRANSACTION\n-- +goose Up\n"+m.Up.Text, nil)
		if err != nil || len(again.Up.Statements) != len(m.Up.Statements) {
			t.Fatalf("kept text of %q: %v", text, err)
		}
		for i, st := range again.Up.Statements {
			if st.SQL != m.Up.Statements[i].SQL {
				t.Fatalf("statement %q came back as %q", m.Up.Statements[i].SQL, st.SQL)
			}
		}
	})
}
