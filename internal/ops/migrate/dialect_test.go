package migrate

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// Folders of goose, dbmate and golang-migrate go up and down alike.
func TestDialects(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][]string{
		"goose": {
			"1_a.sql", up + "create table a (id int);\n-- +goose Down\ndrop table a;\n",
			"2_b.sql", noTx + "create index concurrently i on a (id);\n-- +goose Down\ndrop index concurrently i;\n",
		},
		"dbmate": {
			"1_a.sql", "-- migrate:up\ncreate table a (id int);\n\n-- migrate:down\ndrop table a;\n",
			"2_b.sql", "-- migrate:up transaction:false\ncreate index concurrently i on a (id);\n-- migrate:down transaction:true\ndrop index i;\n",
		},
		"golang-migrate": {
			"000001_a.up.sql", "BEGIN;\ncreate table a (id int);\nCOMMIT;\n", "000001_a.down.sql", "drop table a;\n",
			"000002_b.up.sql", "create index concurrently i on a (id);\n", "000002_b.down.sql", "drop index concurrently i;\n",
			"000003_c.up.sql", "-- only up\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Empty(t)
			conn := connect(t, url)
			m := migrator(t, Options{}, files...)
			mustUp(t, m, url)
			exists := "select string_agg(relname, ' ' order by relname) from pg_class where relname in ('a', 'i')"
			if got := str(t, conn, exists); got != "a i" {
				t.Errorf("after up there is %s", got)
			}
			if name == "golang-migrate" {
				_, err := m.Down(t.Context(), url, Newest)
				wantFault(t, err, fault.Conflict, "3_c has no way down")
				run(t, conn, "delete from platctl.migrations where version = 3")
			}
			if res, err := m.Down(t.Context(), url, 0); err != nil || len(res.Reverted) != 2 {
				t.Errorf("%+v, %v", res, err)
			}
			if got := str(t, conn, "select count(*)::text from pg_class where relname in ('a', 'i')"); got != "0" {
				t.Errorf("%s are left", got)
			}
		})
	}
}

func TestDialectErrors(t *testing.T) {
	t.Parallel()
	for says, files := range map[string][2]string{
		"1_a.down.sql has no 1_a.up.sql":          {"1_a.down.sql", "drop table a;"},
		"1_a.up.sql:2: the statement that begins": {"1_a.up.sql", "select 1;\nselect '"},
		`unknown option "transaction:no"`:         {"1_a.sql", "-- migrate:up transaction:no\nselect 1;"},
		"a second migrate:up":                     {"1_a.sql", "-- migrate:up\n-- migrate:up\n"},
		"1_a.sql:1: migrate:down is not after":    {"1_a.sql", "-- migrate:down\n-- migrate:up\n"},
		"the name is not NUMBER_name.sql":         {"a.up.sql", "select 1;"},
	} {
		_, err := New(fstest.MapFS{files[0]: {Data: []byte(files[1])}}, Options{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

// ENVSUB is what goose makes of it, but that a variable without a value is an error: when the script would run, not before.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"ROLE": "reader", "EMPTY": ""}[name]
		return v, ok
	}
	for text, want := range map[string]string{
		"$ROLE ${ROLE} ${ROLE:-x}":                "reader reader reader",
		"${EMPTY:-x} ${EMPTY-x} ${NONE-y} $EMPTY": "x  y ",
		"$$ROLE $1 $ ${} ${1} a$":                 "$ROLE $1 $ ${} ${1} a$",
		"${NONE:-a b}":                            "a b",
	} {
		m, err := parseFile("1_x.sql", "-- +goose ENVSUB ON\n"+up+"select "+text+";\n-- +goose ENVSUB OFF\nselect $ROLE;\n-- +goose Down\nselect $ROLE;\n", env)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Up.Statements[0].SQL; got != "select "+want+";" || m.Up.unset != nil {
			t.Errorf("%s: %s, %v", text, got, m.Up.unset)
		}
		if m.Up.Statements[1].SQL != "select $ROLE;" || m.Down.Statements[0].SQL != "select $ROLE;" {
			t.Error("ENVSUB OFF is ignored")
		}
	}
	url := pgtest.Empty(t)
	files := []string{"1_x.sql", "-- +goose ENVSUB ON\n" + up + "create table $ROLE ();\n-- +goose Down\ndrop table ${ROLE};\n"}
	_, err := migrator(t, Options{}, files...).Up(t.Context(), url, 0)
	wantFault(t, err, fault.Config, "1_x.sql:3: ${ROLE} has no value")
	m := migrator(t, Options{Env: env}, files...)
	mustUp(t, m, url)
	_, err = migrator(t, Options{}, files...).Down(t.Context(), url, 0)
	wantFault(t, err, fault.Config, "${ROLE} has no value")
	if res, err := m.Down(t.Context(), url, 0); err != nil || res.To != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}
