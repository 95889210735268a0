package migrate

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/platctl/platctl/internal/base/fault"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	m, err := parseFile("1_x.sql", `-- platctl: allow L33 nobody locks both
-- platctl: phase expand
-- +goose Up
-- platctl: allow L01   it has ten rows
-- platctl: allow C04 no two are alike
create unique index i on t (a);
select '
-- platctl: allow L02 not a directive
';
-- +goose StatementBegin
select 1;
-- platctl: allow not one either
-- +goose StatementEnd
-- +goose Down
select 1;
-- platctl: allow L02 so be it
drop index i;
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Allow{{"L33", "nobody locks both", 1, false, -1}, {"L01", "it has ten rows", 4, false, 0}, {"C04", "no two are alike", 5, false, 0},
		{"L02", "so be it", 16, true, 1}}
	if !slices.Equal(m.Allows, want) {
		t.Errorf("%+v", m.Allows)
	}
	// The statements are what they are without the lines, and a header changes no hash.
	plain, err := parseFile("1_x.sql", "-- +goose Up\ncreate unique index i on t (a);\n", nil)
	if err != nil || m.Up.Statements[0].SQL != plain.Up.Statements[0].SQL {
		t.Errorf("%v %+v", err, m.Up.Statements[0])
	}
	headed, err := parseFile("1_x.sql", "-- platctl: allow L01 it has ten rows\n-- +goose Up\ncreate unique index i on t (a);\n", nil)
	if err != nil || headed.Up.SHA256 != plain.Up.SHA256 {
		t.Errorf("%v: a header changes the hash", err)
	}
	pairs, err := load(fstest.MapFS{"1_x.up.sql": {Data: []byte("-- platctl: allow L01 small\nselect 1;")}, "1_x.down.sql": {Data: []byte("select 2;\n-- platctl: allow L02 small\nselect 3;\n")}}, nil)
	if err != nil || !slices.Equal(pairs.all[0].Allows, []Allow{{"L01", "small", 1, false, 0}, {"L02", "small", 2, true, 1}}) {
		t.Errorf("%v %+v", err, pairs)
	}
}

func TestAllowErrors(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"-- +goose Up\n-- platctl: allow L01\nselect 1;\n":                              ":2: allow needs a rule and a reason",
		"-- platctl: allow\n-- +goose Up\nselect 1;\n":                                  ":1: allow needs a rule and a reason",
		"-- +goose Up\nselect 1;\n-- platctl: allow L01 x\n":                            "no statement follows the allow on line 3",
		"-- +goose Up\nselect 1;\n-- platctl: allow L01 x\n-- +goose Down\nselect 1;\n": "no statement follows the allow on line 3",
		"-- +goose Up\nselect\n-- platctl: allow L01 x\n1;\n":                           ":3: a directive inside the statement",
	} {
		_, err := parseFile("1_x.sql", text, nil)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
