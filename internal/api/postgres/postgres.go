// Package postgres owns the schema: migrations, named queries and the code generated from them.
//
// Invariants: every statement the API sends is a named query in queries/*.sql. sqlc compiles them to db/, EXPLAIN review
// reviews them and sqlcontract.json lists them for a rollback, so one source serves three tools.
package postgres

import (
	"embed"
	"io/fs"
	"strconv"
	"strings"
)

// MinSchema is the oldest schema that this release runs on: the newest one in expand migrations, less when a query no
// longer needs them. A schema that is ahead is fine, because a rollback leaves the schema where it is.
const MinSchema = 19

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed queries/*.sql
var queries embed.FS

//go:embed sqlcontract.json
var contract []byte

// Migrations returns the migration files, at the root of the file system.
func Migrations() fs.FS { return below(migrations, "migrations") }

// BuiltSchema is the newest schema that this release knows: its newest migration.
func BuiltSchema() int64 {
	files, _ := migrations.ReadDir("migrations") // embedded: it is there, and sorted
	number, _, _ := strings.Cut(files[len(files)-1].Name(), "_")
	n, _ := strconv.ParseInt(number, 10, 64) // a test reads every name
	return n
}

// Queries returns the files of named queries as people write them, at the root of the file system.
func Queries() fs.FS { return below(queries, "queries") }

func below(files embed.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil { // the folder is embedded: only a compiler bug gets here
		panic(err)
	}
	return sub
}

// Contract returns the SQL contract of this build, format platctl.sqlcontract.
func Contract() []byte { return contract }
