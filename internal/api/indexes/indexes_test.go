package indexes

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

type fastHasher struct{}

func (fastHasher) Hash(context.Context, string) (string, error) { return "unused", nil }

// A list that nobody has chosen callers for would be missing from the page without a word.
func TestEveryListHasClasses(t *testing.T) {
	t.Parallel()
	all, err := parse(postgres.Queries())
	if err != nil || len(all) == 0 {
		t.Fatal(len(all), err)
	}
	for _, q := range all {
		cs, ok := classes()[q.name]
		if !ok && q.kind == "many" && strings.HasPrefix(q.name, "List") {
			t.Errorf("%s has no row in classes()", q.name)
		}
		for _, c := range cs {
			for _, p := range q.params {
				if c.values[p] == "" && always()[p] == "" {
					t.Errorf("%s, class %s: no value for @%s", q.name, c.name, p)
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	all, err := parse(fstest.MapFS{"a.sql": {Data: []byte("-- name: A :many\n-- of @nobody\nselect @b_id::int, v @@ @words, sqlc.narg('c'), f(@b_id)\n" +
		"from x;\n\n-- name: B :one\nselect 1;\n")}})
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	a := all[0]
	if a.sql != "select $1::int, v @@ $2, $3, f($1)\nfrom x" || strings.Join(a.params, " ") != "b_id words c" || a.kind != "many" || all[1].sql != "select 1" {
		t.Errorf("%+v", all)
	}
}

// Every list is explained, the feed of the four viewers by the index that is made for it, and nothing stays changed.
func TestMeasure(t *testing.T) {
	t.Parallel()
	conn, err := pg.Connect(t.Context(), pgtest.New(t, apitest.Template(t)), "indexes test")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := Measure(t.Context(), conn); err == nil || !strings.Contains(err.Error(), "no dataset") {
		t.Errorf("an empty database: %v", err)
	}
	if _, err := seed.Run(t.Context(), conn, seed.Options{Scale: seed.Scales()[1], Seed: 1, Hasher: fastHasher{}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	rep, err := Measure(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := rep.Markdown(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## HomeFeed", "| viewer_silent | 0 |", "| viewer_300 | 21 |", "posts_author_idx", "Index Scan", "## ListProducts"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, &page)
		}
	}
	for _, i := range rep.Indexes {
		if i.With < 50 || !i.Constraint && i.Without < 50 {
			t.Errorf("writes to %s are not measured: %+v", i.Table, i)
		}
		if i.Name == "posts_author_idx" && !(i.With > i.Without && i.Without > 100) {
			t.Errorf("%+v", i)
		}
	}
	probesInsert(t, conn)
	var posts, there int64
	if err := conn.QueryRow(t.Context(), "select (select count(*) from posts), (select count(*) from pg_class where relname = 'posts_author_idx')").
		Scan(&posts, &there); err != nil || posts != 20_000 || there != 1 {
		t.Errorf("%d posts, %d indexes, %v", posts, there, err)
	}
}

// probesInsert sees that every probe inserts about as many rows as its figure is divided by: a few may be there already.
func probesInsert(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for table, p := range probes() {
		err := rolledBack(t.Context(), conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), p.before); err != nil {
				return err
			}
			done, err := tx.Exec(t.Context(), p.insert)
			if n := done.RowsAffected(); err == nil && n < probeRows*9/10 {
				t.Errorf("the probe of %s inserts %d rows", table, n)
			}
			return err
		})
		if err != nil {
			t.Errorf("the probe of %s: %v", table, err)
		}
	}
}

// A table whose indexes serve a list on the medium dataset has a probe: without one the page can't be made again.
func TestEveryTableOfThePageHasAProbe(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/indexes.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^CREATE .*INDEX .* ON public\.(\w+) `).FindAllStringSubmatch(string(page), -1)
	for _, f := range found {
		if _, ok := probes()[f[1]]; !ok {
			t.Errorf("no probe of %s", f[1])
		}
	}
	if len(found) < 30 {
		t.Errorf("the page names %d indexes", len(found))
	}
}
