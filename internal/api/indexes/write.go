package indexes

import (
	"context"
	_ "embed"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

//go:embed sql/index.sql
var sqlIndex string

// Index is what an index that serves a list costs. The WAL is of one inserted row, in bytes, without full-page images.
type Index struct {
	Name       string  `json:"name"`
	Table      string  `json:"table"`
	Definition string  `json:"definition"`
	Bytes      int64   `json:"bytes"`
	Entries    int64   `json:"entries"`
	With       float64 `json:"wal_with,omitempty"`
	Without    float64 `json:"wal_without,omitempty"`
	Constraint bool    `json:"constraint"` // it holds a constraint, so there is no without
}

const probeRows = 1000

// probes insert a thousand rows like those that people make: scattered over the people and posts that are there.
func probes() map[string]string {
	const pair = ` select a, b from (select 1 + i * 7919 % (select max(id) from users) a, 1 + i * 104729 % (select max(id) from users) b
		from generate_series(1, 1000) i) x where a <> b on conflict do nothing`
	const onPost = `1 + i * 7919 % (select max(id) from posts), 1 + i * 104729 % (select max(id) from users)`
	return map[string]string{
		"users": `insert into users (handle, display_name, password_hash)
			select 'probe_' || i, 'Probe ' || i, 'x' from generate_series(1, 1000) i`,
		"posts": `insert into posts (author_id, body)
			select 1 + i * 7919 % (select max(id) from users), repeat('words ', 15) from generate_series(1, 1000) i`,
		"follows": "insert into follows (follower_id, followee_id)" + pair,
		"hidden":  "insert into hidden (viewer_id, other_id)" + pair,
		"likes":   "insert into likes (post_id, user_id) select " + onPost + " from generate_series(1, 1000) i on conflict do nothing",
		"comments": "insert into comments (post_id, author_id, body) select " + onPost +
			", 'Keep two for me!' from generate_series(1, 1000) i",
		"notifications": `insert into notifications (recipient_id, actor_id, kind) select a, b, 'follow'
			from (select 1 + i * 7919 % (select max(id) from users) a, 1 + i * 104729 % (select max(id) from users) b
			from generate_series(1, 1000) i) x`,
		"products": `insert into products (farm_id, name, category, price, unit)
			select 1 + i * 7919 % (select max(id) from farms), 'Probe', 'fruit', 100, 'kg' from generate_series(1, 1000) i`,
	}
}

func measureIndexes(ctx context.Context, conn *pgx.Conn, used map[string]bool) ([]Index, error) {
	var out []Index
	for _, name := range slices.Sorted(maps.Keys(used)) {
		i := Index{Name: name}
		if err := conn.QueryRow(ctx, sqlIndex, name).Scan(&i.Table, &i.Bytes, &i.Entries, &i.Definition, &i.Constraint); err != nil {
			return nil, fault.Wrap(err, fault.Failed, "the index %s can't be read", name)
		}
		if probe := probes()[i.Table]; probe != "" {
			if err := i.measureWrites(ctx, conn, probe); err != nil {
				return nil, fault.Wrap(err, fault.Failed, "what %s costs can't be measured", name)
			}
			if err := vacuum(ctx, conn, i.Table); err != nil {
				return nil, err
			}
		}
		out = append(out, i)
	}
	return out, nil
}

func (i *Index) measureWrites(ctx context.Context, conn *pgx.Conn, probe string) error {
	return rolledBack(ctx, conn, func(tx pgx.Tx) error {
		var err error
		if i.With, err = walOf(ctx, tx, probe); err != nil || i.Constraint {
			return err
		}
		if _, err := tx.Exec(ctx, "drop index "+pgx.Identifier{i.Name}.Sanitize()); err != nil {
			return err
		}
		i.Without, err = walOf(ctx, tx, probe)
		return err
	})
}

// walOf returns the bytes of WAL for a row of a probe. The probe runs twice, and the first run is taken back: it has brought
// every page into the log whole, which depends on the last checkpoint and would hide the rest.
func walOf(ctx context.Context, tx pgx.Tx, probe string) (float64, error) {
	var wal int64
	for range 2 {
		err := rolledBack(ctx, tx, func(tx pgx.Tx) error {
			n, err := explainOnce(ctx, tx, probe)
			wal = n.WAL
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return float64(wal) / probeRows, nil
}
