package migrate

import (
	"slices"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// Two dumps of the same schema are the same bytes, in another database too, and a dump makes the schema that it was taken of.
func TestDump(t *testing.T) {
	t.Parallel()
	bin, err := localpg.FindBinaries(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	m := migrator(t, Options{}, "1_a.sql", up+"create table a (id int primary key, name text);\ncreate function f() returns int language sql as $$ select 1 $$;\n")
	var dumps []string
	url := ""
	for range 2 {
		url = pgtest.Empty(t)
		mustUp(t, m, url)
		out, err := Dumper{Program: bin.Path("pg_dump"), URL: url}.Dump(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		dumps = append(dumps, out)
	}
	if dumps[0] != dumps[1] {
		t.Errorf("two dumps differ: %q", DiffLines(dumps[0], dumps[1]))
	}
	for _, not := range []string{"restrict", "Dumped", "platctl"} {
		if strings.Contains(dumps[0], not) {
			t.Errorf("%q is in the dump", not)
		}
	}
	copied := pgtest.Empty(t)
	run(t, connect(t, copied), dumps[0])
	if again, err := (Dumper{Program: bin.Path("pg_dump"), URL: copied}).Dump(t.Context()); err != nil || again != dumps[0] {
		t.Errorf("what a dump makes is another schema: %q %v", DiffLines(dumps[0], again), err)
	}
	run(t, connect(t, url), "alter table a add note text")
	changed, err := Dumper{Program: bin.Path("pg_dump"), URL: url}.Dump(t.Context())
	if d := DiffLines(dumps[0], changed); err != nil || !slices.Equal(d, []string{"-    name text", "+    name text,", "+    note text"}) {
		t.Errorf("%q %v", d, err)
	}
	_, err = Dumper{Program: bin.Path("pg_dump"), URL: url + "&dbname=none"}.Dump(t.Context())
	wantFault(t, err, fault.Unavailable, `database "none" does not exist`)
}
