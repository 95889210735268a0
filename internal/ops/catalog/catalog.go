// Package catalog reads what a database is made of, as a sorted list of facts, and compares two such lists.
//
// One query answers for tables, columns, constraints, indexes, views, functions, triggers, types, grants, comments and the rest; the
// text of pg_dump would hold a random token and an order of its own. Two databases with the same fingerprint behave the same; the
// order of columns is compared apart, because dropping a column and adding it again changes nothing else.
package catalog

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

//go:embed sql/facts.sql
var sqlFacts string

// Fact is one thing that is true of an object.
type Fact struct {
	Kind    string `json:"kind"`   // table, column, index, …
	Object  string `json:"object"` // its whole name
	Fact    string `json:"fact"`
	Ordinal int    `json:"ordinal,omitempty"` // of a "column order"
}

const order = "column order"

// Snapshot is everything that is true of a database, sorted.
type Snapshot struct {
	Facts       []Fact
	Fingerprint string // SHA-256 of the facts but the order of columns
	Order       string // SHA-256 of the order of columns
}

// Beginner is a connection, a pool or a transaction.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Read takes a snapshot, in one query. It reads only, and at one moment: in a transaction of its own, or in a savepoint of the
// transaction that it is given. A connection with a transaction open is refused: rolling back would end that one.
func Read(ctx context.Context, db Beginner) (*Snapshot, error) {
	if c, ok := db.(*pgx.Conn); ok && c.PgConn().TxStatus() != 'I' {
		return nil, fault.New(fault.Internal, "the catalogue is to be read in the transaction that is open")
	}
	var facts []Fact
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Names on the search path would be told without their schema.
		if _, err := tx.Exec(ctx, "set local search_path = pg_catalog"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sqlFacts)
		if err != nil {
			return err
		}
		var f Fact
		_, err = pgx.ForEachRow(rows, []any{&f.Kind, &f.Object, &f.Fact, &f.Ordinal}, func() error {
			facts = append(facts, f)
			return nil
		})
		return cmp.Or(err, errRead)
	})
	if !errors.Is(err, errRead) {
		return nil, fault.Op("read the catalogue", err)
	}
	return New(facts), nil
}

// errRead rolls back: the search path is as before, also where the transaction is only a savepoint.
var errRead = errors.New("read")

// New makes a snapshot of sorted facts.
func New(facts []Fact) *Snapshot {
	all, columns := sha256.New(), sha256.New()
	for _, f := range facts {
		h := all
		if f.Kind == order {
			h = columns
		}
		for _, part := range []string{f.Kind, f.Object, f.Fact, strconv.Itoa(f.Ordinal)} {
			_, _ = h.Write([]byte(strconv.Itoa(len(part)) + ":" + part)) // a hash takes everything
		}
	}
	return &Snapshot{Facts: facts, Fingerprint: hex.EncodeToString(all.Sum(nil)), Order: hex.EncodeToString(columns.Sum(nil))}
}

// Class says how alike two snapshots are.
type Class string

// The classes.
const (
	Identical Class = "identical"
	OrderOnly Class = "order only" // the same but for the order of columns
	Different Class = "different"
)

// Diff is what one snapshot has and another hasn't.
type Diff struct {
	Class  Class  `json:"class"`
	Lost   []Fact `json:"lost"`   // only in the first
	Gained []Fact `json:"gained"` // only in the second
}

// Compare tells what became of a in b.
func Compare(a, b *Snapshot) Diff {
	d := Diff{Class: Identical, Lost: without(a, b), Gained: without(b, a)}
	switch {
	case a.Fingerprint != b.Fingerprint:
		d.Class = Different
	case a.Order != b.Order:
		d.Class = OrderOnly
	}
	return d
}

// without returns the facts of a that b hasn't. The order of columns counts only where both have the column.
func without(a, b *Snapshot) []Fact {
	has := make(map[Fact]bool, len(b.Facts))
	columns := map[string]bool{}
	for _, f := range b.Facts {
		has[f] = true
		if f.Kind == order {
			columns[f.Object] = true
		}
	}
	out := []Fact{}
	for _, f := range a.Facts {
		if !has[f] && (f.Kind != order || columns[f.Object]) {
			out = append(out, f)
		}
	}
	return out
}
