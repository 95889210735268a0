package trace

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/relations.sql
var sqlRelations string

// relation is what is known of a table, index, view or sequence, also when it is gone.
type relation struct {
	oid      uint32
	name     string // with its schema, unless that is public
	sql      string // with its schema, quoted
	relname  string
	kind     string // pg_class.relkind
	owner    uint32 // the table of an index or of a TOAST table
	filenode uint32
	scans    int64
	tuples   int64
	new      bool // made by the file that runs
}

// kindName is the kind in words.
func (r *relation) kindName() string {
	switch r.kind {
	case "r", "p":
		return "table"
	case "i", "I":
		return "index"
	case "v":
		return "view"
	case "m":
		return "materialized view"
	case "S":
		return "sequence"
	case "t":
		return "toast"
	case "f":
		return "foreign table"
	case "c":
		return "type"
	}
	return "relation"
}

// rows says whether it has rows of its own that a statement can read whole.
func (r *relation) rows() bool { return r.kind == "r" || r.kind == "m" || r.kind == "p" }

// querier is a session.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// relations reads the relations of these oids as the session sees them, all of them where oids is nil.
func relations(ctx context.Context, db querier, oids []uint32) ([]*relation, error) {
	rows, err := db.Query(ctx, sqlRelations, oids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*relation, error) {
		r := &relation{}
		return r, row.Scan(&r.oid, &r.name, &r.sql, &r.relname, &r.kind, &r.owner, &r.filenode, &r.scans, &r.tuples)
	})
}

// world is every relation that a trace has seen, by oid. Names of dropped ones stay.
type world map[uint32]*relation

// get returns a relation; one that came and went inside a statement has no name.
func (w world) get(oid uint32) *relation {
	if r := w[oid]; r != nil {
		return r
	}
	return &relation{oid: oid, name: fmt.Sprintf("relation %d", oid), new: true}
}

// refresh forgets what is gone and takes what is there as there before.
func (w world) refresh(now []*relation) {
	clear(w)
	for _, r := range now {
		w[r.oid] = r
	}
}
