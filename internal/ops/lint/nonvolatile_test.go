package lint

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/golden"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// The list is what a server of version 15 says; another version has other functions.
func TestNonvolatile(t *testing.T) {
	t.Parallel()
	conn, err := pg.Connect(t.Context(), pgtest.Empty(t), "lint test")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if v := conn.PgConn().ParameterStatus("server_version"); !strings.HasPrefix(v, "15.") {
		t.Skipf("the server is %s", v)
	}
	query, err := os.ReadFile("testdata/nonvolatile.sql")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), string(query))
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "nonvolatile.txt", []byte(strings.Join(names, "\n")+"\n"), *update)
	for _, n := range names {
		if !stable(name{base: n}) || volatile(name{base: n}) {
			t.Errorf("%s is taken for volatile", n)
		}
	}
}
