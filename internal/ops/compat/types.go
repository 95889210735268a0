package compat

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/types.sql
var sqlTypes string

//go:embed sql/sources.sql
var sqlSources string

// complete runs fn where names are told with their schema, whatever the search path is.
func complete(ctx context.Context, tx pgx.Tx, fn func(pgx.Tx) error) error {
	sp, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = sp.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := sp.Exec(ctx, "set local search_path = pg_catalog"); err != nil {
		return err
	}
	return fn(sp)
}

// typeNames returns the names of all types of parameters and results.
func typeNames(ctx context.Context, tx pgx.Tx, plans []*planned) (map[uint32]string, error) {
	seen := map[uint32]string{}
	for _, p := range plans {
		for _, oid := range p.desc.ParamOIDs {
			seen[oid] = ""
		}
		for _, f := range p.desc.Fields {
			seen[f.DataTypeOID] = ""
		}
	}
	oids := make([]uint32, 0, len(seen))
	for oid := range seen {
		oids = append(oids, oid)
	}
	err := complete(ctx, tx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlTypes, oids)
		if err != nil {
			return err
		}
		var oid uint32
		var name string
		_, err = pgx.ForEachRow(rows, []any{&oid, &name}, func() error {
			seen[oid] = plain(name)
			return nil
		})
		return err
	})
	return seen, err
}

// source is a column of a table by number.
type source struct {
	table  uint32
	column uint16
}

// notNull returns the names of those columns of results that are NOT NULL in their table.
func notNull(ctx context.Context, tx pgx.Tx, plans []*planned) (map[source]string, error) {
	seen := map[uint32]bool{}
	var tables []uint32
	for _, p := range plans {
		for _, f := range p.desc.Fields {
			if f.TableOID != 0 && !seen[f.TableOID] {
				seen[f.TableOID], tables = true, append(tables, f.TableOID)
			}
		}
	}
	rows, err := tx.Query(ctx, sqlSources, tables)
	if err != nil {
		return nil, err
	}
	out := map[source]string{}
	var s source
	var number int16
	var name string
	_, err = pgx.ForEachRow(rows, []any{&s.table, &number, &name}, func() error {
		s.column = uint16(number)
		out[s] = plain(name)
		return nil
	})
	return out, err
}
