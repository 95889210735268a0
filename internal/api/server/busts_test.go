package server_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// queryLog notes the queries of a server.
type queryLog struct {
	mu   sync.Mutex
	sent []pgx.TraceQueryStartData
}

// TraceQueryStart implements pgx.QueryTracer.
func (l *queryLog) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, d)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (l *queryLog) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// take returns what was sent since the last time.
func (l *queryLog) take() []pgx.TraceQueryStartData {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := l.sent
	l.sent = nil
	return sent
}

// on gives the server a pool whose queries are noted.
func (l *queryLog) on(t *testing.T) apitest.Option {
	return func(o *server.Options) {
		cfg := o.Pool.Config().Copy()
		cfg.ConnConfig.Tracer = l
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		o.Pool = pool
	}
}

// keptPaths asks for every operation whose answers are kept, with every filter and some of them together.
func keptPaths(farm client.FarmId, product client.ProductId, person client.UserId) []string {
	list := "/api/v1/products?"
	return []string{
		"/api/v1/products/" + string(product), "/api/v1/farms/" + string(farm), "/api/v1/users/" + string(person),
		list, list + "limit=1", list + "category=fruit", list + "farm=" + string(farm), list + "q=leeks", list + "inStock=true",
		list + "minPrice=50&maxPrice=150", list + "category=fruit&inStock=true", list + "farm=" + string(farm) + "&category=fruit&maxPrice=100",
		list + "q=lee&farm=" + string(farm) + "&inStock=true", list + "category=fruit&q=leeks&limit=2",
	}
}

// unwritten is the tables that a kept answer reads, and whose rows are none of its business.
func unwritten() map[string]string {
	const nobody = "only rows of the viewer are read, and a foreign key says that nobody, 0, has none"
	return map[string]string{"hidden": nobody, "follows": nobody}
}

// relations returns the tables that a query reads, as the planner finds them behind functions and views.
func relations(t *testing.T, pool *pgxpool.Pool, q pgx.TraceQueryStartData) []string {
	t.Helper()
	var plan any
	if err := pool.QueryRow(t.Context(), "explain (format json) "+q.SQL, q.Args...).Scan(&plan); err != nil {
		t.Fatalf("%v: %s", err, q.SQL)
	}
	found := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			if name, ok := v["Relation Name"].(string); ok {
				found[name] = true
			}
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(plan)
	return slices.Sorted(maps.Keys(found))
}

// changes returns statements that change each column of a table on the rows that answers show, and change it back where it
// hides them.
func changes(t *testing.T, pool *pgxpool.Pool, table string) []string {
	t.Helper()
	special := map[string][]string{
		"products.category": {"'dairy'", "'fruit'"}, "products.currency": {"'CHF'"}, "products.available": {"0", "7", "8"},
		"products.farm_id": {"(select max(id) from farms)", "(select min(id) from farms)"}, "products.price": {"120", "1000", "100"},
		"products.name": {"'Beets'", "'Leeks, new'"}, "products.description": {"'leeks, more'"}, "farms.currency": {"'CHF'"},
		"users.email": {"'zoe@market.test', email_verified_at = now()"}, "users.email_verified_at": {"now() + interval '1 hour'"},
		"product_media.product_id": {"(select max(id) from products)", "(select min(id) from products)"}, "product_media.media_id": {"3", "1"},
		"avatars.user_id": {"2", "1"}, "avatars.media_id": {"3", "2"}, "media.purpose": {"'post'"}, "media.owner_id": {"2"}, "media.blob_id": {"null", "1"},
		"media_blobs.state": {"'processing'", "'ready'"}, "media_blobs.sizes": {`'[{"w":10,"h":9,"bytes":8}]'`},
		"media_blobs.sha256": {"sha256(sha256)"}, "media_blobs.owner_id": {"2"},
		"users.purge_at": {"now(), deleted_at = now()", "null, deleted_at = null"}, "users.handle": {"'other'"}, "users.role": {"'moderator'"},
	}
	rows, err := pool.Query(t.Context(), `select column_name, data_type, is_nullable = 'YES' from information_schema.columns
		where table_name = $1 and table_schema = 'public' and is_identity = 'NO' order by ordinal_position`, table)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	var column, kind string
	var null bool
	if _, err := pgx.ForEachRow(rows, []any{&column, &kind, &null}, func() error {
		values := special[table+"."+column]
		switch {
		case values != nil:
		case table == "user_stats" && column == "user_id":
			return nil
		case null && kind == "timestamp with time zone":
			values = []string{"now()", "null"}
		case kind == "timestamp with time zone":
			values = []string{column + " + interval '1 hour'"}
		case kind == "text" && null:
			values = []string{"'other'"}
		case kind == "text":
			values = []string{"md5(" + column + ")"}
		case kind == "bigint" || kind == "integer" || kind == "smallint":
			values = []string{column + " + 1"}
		default:
			return fmt.Errorf("say how %s.%s, a %s, changes", table, column, kind)
		}
		for _, v := range values {
			out = append(out, fmt.Sprintf("update %s set %s = %s where %s = (select min(%[4]s) from %[1]s)", table, column, v, keyOf(table)))
		}
		return nil
	}); err != nil || len(out) == 0 {
		t.Fatalf("%s: %d statements, %v", table, len(out), err)
	}
	return out
}

func keyOf(table string) string {
	switch table {
	case "user_stats", "avatars":
		return "user_id"
	case "product_media":
		return "product_id"
	}
	return "id"
}

// Everything that kept answers are made of is found out by watching them being made: each table behind their queries, and each
// column of it, is changed past the API, as an operator would. Afterwards a server that keeps answers says what one that keeps
// none says, for every kind of answer, and none had to wait for one to expire.
func TestBustsCoverWhatIsKept(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	var log queryLog
	keeping, plain := apitest.On(t, url, exactTotals), apitest.On(t, url, exactTotals, uncached, log.on(t))
	session, _ := keeping.Signup("zoe")
	_, farm, product := shop(t, keeping, "ana")
	other, _, _ := shop(t, keeping, "ben")
	if _, err := other.FollowUser(t.Context(), client.FollowUserParams{ID: session.User.ID}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{ // a picture of the product and one of the person, and a spare one
		`insert into media_blobs (owner_id, sha256, content_type, bytes, key, state, sizes) select 1, sha256(i::text::bytea), 'image/png', 1, 'key-' || i, 'ready',
			'[{"w":4,"h":3,"bytes":2}]' from generate_series(1, 3) i`,
		"insert into media (owner_id, purpose, content_type, bytes, blob_id) select 1, 'product', 'image/png', 1, i from generate_series(1, 3) i",
		"insert into product_media (product_id, position, media_id) select min(id), 1, 1 from products", "insert into avatars (user_id, media_id) values (1, 2)",
	} {
		if _, err := plain.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	paths := keptPaths(farm, product, session.User.ID)
	log.take()
	for _, p := range paths {
		fetch(t, plain, "GET", p)
	}
	tables, read := map[string]bool{}, map[string]bool{}
	for _, q := range log.take() {
		name, _, _ := strings.Cut(strings.TrimPrefix(q.SQL, "-- name: "), " ")
		if read[name] || !strings.HasPrefix(q.SQL, "-- name: ") {
			continue
		}
		read[name] = true
		for _, r := range relations(t, plain.Pool, q) {
			tables[r] = true
		}
	}
	t.Logf("%d queries of %v read %v", len(read), slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(tables)))
	if len(read) < 10 || !tables["products"] || !tables["farms"] || !tables["users"] || !tables["user_stats"] || !tables["media_blobs"] || !tables["avatars"] || !tables["product_media"] {
		t.Fatal("that is not all")
	}
	agree := func(after string) {
		t.Helper()
		for _, p := range paths {
			want := fetch(t, plain, "GET", p)
			soon(t, p+" after "+after, func() (bool, string) {
				a := fetch(t, keeping, "GET", p)
				return a.status == want.status && (a.status != 200 || a.body == want.body), a.body + " instead of " + want.body
			})
		}
	}
	agree("nothing")
	for table := range tables {
		if unwritten()[table] != "" {
			continue
		}
		for _, sql := range changes(t, plain.Pool, table) {
			tag, err := plain.Pool.Exec(t.Context(), sql)
			if err != nil || tag.RowsAffected() != 1 {
				t.Fatalf("%s: %v, %v", sql, tag, err)
			}
			agree(sql)
		}
	}
	for _, sql := range []string{
		"insert into products (farm_id, name, category, price, unit, available) select 1, 'Leeks of old', 'fruit', 90, 'kg', 3 from generate_series(1, 3)",
		"delete from products where name = 'Leeks of old'", "delete from media where id = 1",
		"insert into product_media (product_id, position, media_id) select min(id), 3, 3 from products", "delete from avatars", "delete from product_media", "delete from user_stats where user_id = 1",
		"delete from farms where id = 1", "delete from users where id = 1", "truncate products cascade", "truncate farms cascade", "truncate users cascade",
	} {
		if _, err := plain.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		agree(sql)
	}
	if n := metric(t, keeping, `cache_evictions_total{cause="expired"}`); n != "0" {
		t.Errorf("%s answers were dropped because they were old", n)
	}
}

// What changes nothing that answers show writes no busts: logins, tokens and orders' counters do not empty the cache.
func TestNoBustWithoutChange(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	shop(t, env, "ana")
	busts := func() (n int) {
		t.Helper()
		if err := env.Pool.QueryRow(t.Context(), "select count(*) from cache_busts").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := busts()
	for _, sql := range []string{
		"update users set password_hash = 'x', role = 'moderator'", "update products set sold = sold + 1", "update products set name = name",
		"update farms set name = name", "update user_stats set post_count = post_count", "delete from products where id = 0",
	} {
		if _, err := env.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if n := busts(); n != before {
			t.Errorf("%s wrote %d busts", sql, n-before)
		}
	}
	var tags []string
	if err := env.Pool.QueryRow(t.Context(), `with w as (insert into products (farm_id, name, category, price, unit)
		select 1, 'many', 'fruit', 1, 'kg' from generate_series(1, 5000)) select tags from cache_busts order by seq desc limit 1`).Scan(&tags); err != nil {
		t.Fatal(err)
	}
	if err := env.Pool.QueryRow(t.Context(), "select tags from cache_busts order by seq desc limit 1").Scan(&tags); err != nil || !slices.Equal(tags, []string{"*"}) {
		t.Errorf("5,000 products at once bust %d tags, %v", len(tags), err)
	}
}

// Whoever attaches a picture and whoever makes it ready in the same moment do not see each other: one has to wait, in either
// order, or nobody would bust what shows it.
func TestPictureIsReadyWhileItIsAttached(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	_, _, id := shop(t, env, "ana")
	path := "/api/v1/products/" + string(id)
	const attach, finish = "insert into product_media (product_id, position, media_id) values ((select min(id) from products), $1::int, $1::int)",
		`update media_blobs set state = 'ready', sizes = '[{"w":4,"h":3,"bytes":2}]' where id = $1`
	for i, order := range [][2]string{{attach, finish}, {finish, attach}} {
		n := i + 1
		for _, sql := range []string{
			"insert into media_blobs (owner_id, sha256, content_type, bytes, key) values (1, sha256($1::int::text::bytea), 'image/png', 1, 'ready-' || $1::int)",
			"insert into media (owner_id, purpose, content_type, bytes, blob_id) values (1, 'product', 'image/png', 1, $1)",
		} {
			if _, err := env.Pool.Exec(t.Context(), sql, n); err != nil {
				t.Fatal(err)
			}
		}
		tx, err := env.Pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.WithoutCancel(t.Context()))
		if _, err := tx.Exec(t.Context(), order[0], n); err != nil {
			t.Fatal(err)
		}
		second := make(chan error, 1)
		go func() {
			_, err := env.Pool.Exec(t.Context(), order[1], n)
			second <- err
		}()
		waitForLocks(t, env, 1)
		fetch(t, env, "GET", path)
		if err := errors.Join(tx.Commit(t.Context()), <-second); err != nil {
			t.Fatal(err)
		}
		soon(t, "the picture", func() (bool, string) {
			a := fetch(t, env, "GET", path)
			return strings.Contains(a.body, fmt.Sprintf("/ready-%d", n)), a.body
		})
	}
	if n := metric(t, env, `cache_evictions_total{cause="expired"}`); n != "0" {
		t.Errorf("%s answers were dropped because they were old", n)
	}
}
