package trace

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/ops/catalog"
)

//go:embed sql/columns.sql
var sqlColumns string

// maxContent is the size, in bytes, up to which a table's content is compared.
const maxContent = 64 << 20

// state is what a database is: its schema, and a digest of the content of every column.
type state struct {
	schema  *catalog.Snapshot
	content map[string]string // table.column -> digest
}

func (j *job) look(ctx context.Context) (*state, error) {
	schema, err := catalog.Read(ctx, j.conn)
	if err != nil {
		return nil, err
	}
	content, err := readContent(ctx, j.conn)
	return &state{schema: schema, content: content}, err
}

// readContent digests every column of every table that has rows. The order of rows doesn't count.
func readContent(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, sqlColumns, maxContent)
	if err != nil {
		return nil, err
	}
	type table struct {
		Name    string
		Columns []string
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	out := map[string]string{}
	for _, t := range tables {
		var b strings.Builder
		for i, c := range t.Columns {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("count(" + c + ") || ' ' || coalesce(sum(hashtextextended(" + c + "::text, 0)::numeric), 0)")
		}
		digests := make([]string, len(t.Columns))
		into := make([]any, len(digests))
		for i := range digests {
			into[i] = &digests[i]
		}
		if err := conn.QueryRow(ctx, "select "+b.String()+" from only "+t.Name).Scan(into...); err != nil {
			return nil, err
		}
		for i, c := range t.Columns {
			out[t.Name+"."+c] = digests[i]
		}
	}
	return out, err
}

// compare judges a way down by what it leaves and by what the second way up makes of that.
func compare(before, after *state, first, second *catalog.Snapshot) Way {
	d := catalog.Compare(before.schema, after.schema)
	w := Way{Class: WayIdentical, Lost: d.Lost, Gained: d.Gained}
	for name, digest := range before.content {
		if after.content[name] != digest {
			w.Data = append(w.Data, name)
		}
	}
	slices.Sort(w.Data)
	if again := catalog.Compare(first, second); again.Class != catalog.Identical {
		w.Again = &again
	}
	switch {
	case d.Class == catalog.Different, len(w.Data) > 0, w.Again != nil && w.Again.Class == catalog.Different:
		w.Class = WayLossy
	case d.Class == catalog.OrderOnly, w.Again != nil:
		w.Class = WayOrder
	}
	return w
}
