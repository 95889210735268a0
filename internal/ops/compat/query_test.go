package compat

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

func TestParseQueries(t *testing.T) {
	t.Parallel()
	const file = "\ufeff-- a file of queries\r\n-- name: One :one\r\nselect * from t where a = @a and b @> @tags::text[] and c = $1;\r\n" +
		"-- name: Two :many\nselect sqlc.embed(t), '@no', f(sqlc.narg('b'), sqlc.arg(c), @b) from t -- @no\nwhere x @@ y and z <@ w;\n"
	got, err := ParseQueries("q.sql", file)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	for i, want := range []Query{
		{"One", "select * from t where a = $2 and b @> $3::text[] and c = $1", []string{"", "a", "tags"}},
		{"Two", "select t.*, '@no', f($1, $2, $1) from t -- @no\nwhere x @@ y and z <@ w", []string{"b", "c"}},
	} {
		if got[i].Name != want.Name || got[i].SQL != want.SQL || strings.Join(got[i].Params, " ") != strings.Join(want.Params, " ") {
			t.Errorf("got  %+v\nwant %+v", got[i], want)
		}
	}
	for name, text := range map[string]string{
		"no name":            "-- name: :one\nselect 1",
		"no kind":            "-- name: One\nselect 1",
		"nothing":            "-- name: One :one\n-- name: Two :one\nselect 1",
		"two statements":     "-- name: One :one\nselect 1; select 2",
		"SQL before":         "select 1;\n-- name: One :one\nselect 1",
		"nothing at the end": "-- name: One :one\n-- only this",
	} {
		if got, err := ParseQueries("q.sql", text); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := ParseQueries("q.sql", strings.Repeat(" ", maxQueryFile+1)); !errors.Is(err, fault.TooLarge) {
		t.Errorf("a huge file: %v", err)
	}
}

func TestReadQueries(t *testing.T) {
	t.Parallel()
	one := &fstest.MapFile{Data: []byte("-- name: One :one\nselect 1")}
	if _, err := ReadQueries(fstest.MapFS{"a.sql": one, "b.sql": one}); !errors.Is(err, fault.Invalid) {
		t.Errorf("the same name twice: %v", err)
	}
	if _, err := ReadQueries(fstest.MapFS{"a.txt": one}); !errors.Is(err, fault.Config) {
		t.Errorf("an empty folder: %v", err)
	}
}

// What was read has no parameter of sqlc's any more, and reads as the same again.
func FuzzParseQueries(f *testing.F) {
	f.Add("-- name: One :one\nselect @a, sqlc.arg(b), $3;\n-- name: Two :exec\ninsert into t values (sqlc.narg('x'))")
	f.Add("-- name: A :many\nselect '@x' <@ @x, $$ @y $$ /* @z */")
	f.Add("-- name: E :one\nselect e'\\'@x', \"@y\", x @@ y")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseQueries("f.sql", text)
		if err != nil {
			return
		}
		for _, q := range all {
			if q.Name == "" || len(sqltoken.Split(q.SQL)) == 0 {
				t.Fatalf("an empty query: %+v", q)
			}
			sql, _, err := number(q.SQL)
			if err != nil || sql != q.SQL {
				t.Fatalf("%q is read again as %q, %v", q.SQL, sql, err)
			}
		}
	})
}
