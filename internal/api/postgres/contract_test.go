package postgres_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/base/golden"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/compat"
	"github.com/platctl/platctl/internal/ops/migrate"
)

var update = flag.Bool("update", false, "rewrite sqlcontract.json from the queries")

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// sqlcontract.json is every named query with what a real PostgreSQL says of it on the newest schema. A release carries it, so that
// whether the release runs on another schema can be found out there.
func TestSQLContract(t *testing.T) {
	t.Parallel()
	conn, err := pg.Connect(t.Context(), pgtest.New(t, apitest.Template(t)), "contract")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var list []compat.Query
	for name, sql := range queries(t) {
		list = append(list, compat.Query{Name: name, SQL: sql})
	}
	slices.SortFunc(list, func(a, b compat.Query) int { return strings.Compare(a.Name, b.Name) })
	c, err := compat.Make(t.Context(), conn, "platctl", list)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "sqlcontract.json", got, *update)
	sameFromFolder(t, conn, c)
}

// sameFromFolder checks that the files that people write say the same as what sqlc makes of them, which is what the API sends.
func sameFromFolder(t *testing.T, conn *pgx.Conn, c *manifest.SQLContract) {
	t.Helper()
	list, err := compat.ReadQueries(postgres.Queries())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b compat.Query) int { return strings.Compare(a.Name, b.Name) })
	other, err := compat.Make(t.Context(), conn, "platctl", list)
	if err != nil || len(other.Statements) != len(c.Statements) || len(other.Facts) != len(c.Facts) {
		t.Fatalf("%+v, %v", other, err)
	}
	for i, s := range other.Statements {
		is := c.Statements[i]
		if s.Name != is.Name || fmt.Sprint(s.Columns, s.Uses, s.Inserts, s.Indirect) != fmt.Sprint(is.Columns, is.Uses, is.Inserts, is.Indirect) {
			t.Errorf("%s: the folder says %+v, the generated code %+v", s.Name, s, is)
		}
	}
}

// The embedded contract is what a release ships: readable, and with as many statements as there are queries.
func TestEmbeddedContract(t *testing.T) {
	t.Parallel()
	if *update {
		t.Skip("rewriting it")
	}
	c, err := manifest.ParseContract(postgres.Contract())
	if err != nil || len(c.Statements) != len(queries(t)) {
		t.Errorf("%d statements for %d queries, %v", len(c.Statements), len(queries(t)), err)
	}
}

// Every foreign key has an index that begins with it and holds every row that has one: without it, deleting the row it points
// at scans the table.
func TestForeignKeysHaveIndexes(t *testing.T) {
	t.Parallel()
	conn, err := pg.Connect(t.Context(), pgtest.New(t, apitest.Template(t)), "indexes")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), `select c.conrelid::regclass || '.' || c.conname from pg_constraint c
		where c.contype = 'f' and c.connamespace = 'public'::regnamespace and not exists (
			select 1 from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
			where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
			and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = '(' || a.attname || ' IS NOT NULL)'))`)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(bare) > 0 {
		t.Errorf("foreign keys without an index: %v, %v", bare, err)
	}
}

// statement is one named query as sqlc writes it into the generated code.
var statement = regexp.MustCompile("(?s)= `(-- name: ([A-Za-z]+) :[a-z]+\n.*?)`")

// queries returns the text of every query as the API sends it, by name.
func queries(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob("db/*.sql_gen.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no generated queries", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range statement.FindAllSubmatch(src, -1) {
			out[string(m[2])] = string(bytes.TrimSpace(m[1]))
		}
	}
	return out
}

// Every query runs on MinSchema.
func TestMinSchemaCarriesTheQueries(t *testing.T) {
	t.Parallel()
	m, err := migrate.New(postgres.Migrations(), migrate.Options{ToolVersion: "test"})
	if err != nil {
		t.Fatal(err)
	}
	url := pgtest.Empty(t)
	if _, err := m.Up(t.Context(), url, postgres.MinSchema); err != nil {
		t.Fatal(err)
	}
	conn, err := pg.Connect(t.Context(), url, "contract")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for name, sql := range queries(t) {
		if _, err := conn.Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("on schema %d %s: %v", postgres.MinSchema, name, err)
		}
	}
}

// The newest migration's number is the schema that this release knows; no file has another kind of name.
func TestBuiltSchema(t *testing.T) {
	t.Parallel()
	files, err := fs.ReadDir(postgres.Migrations(), ".")
	if err != nil {
		t.Fatal(err)
	}
	var newest int64
	for _, f := range files {
		var n int64
		var rest string
		if _, err := fmt.Sscanf(f.Name(), "%04d_%s", &n, &rest); err != nil || n <= newest {
			t.Errorf("%s does not come after %04d: %v", f.Name(), newest, err)
		}
		newest = n
	}
	if got := postgres.BuiltSchema(); got != newest || got < postgres.MinSchema {
		t.Errorf("BuiltSchema is %d, the newest migration %d, MinSchema %d", got, newest, postgres.MinSchema)
	}
}
