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

// probe inserts a thousand rows like those that people make: scattered over the people and things that are there.
type probe struct {
	insert string
	before string // makes room for them, or what they refer to
	dirty  string // a table besides that before leaves dead rows in
}

const (
	rows     = ` from generate_series(1, 1000) i`
	someUser = `1 + i * 7919 % (select max(id) from users)`
	another  = `1 + i * 104729 % (select max(id) from users)`
	somePost = `1 + i * 7919 % (select max(id) from posts)`
	once     = ` on conflict do nothing`
)

// probes are of the tables whose indexes serve a list.
func probes() map[string]probe {
	out := peopleProbes()
	for _, more := range []map[string]probe{marketProbes(), pictureProbes()} {
		maps.Copy(out, more)
	}
	return out
}

func peopleProbes() map[string]probe {
	const pair = ` select a, b from (select ` + someUser + ` a, ` + another + ` b` + rows + `) x where a <> b` + once
	return map[string]probe{
		"users":         {insert: `insert into users (handle, display_name, password_hash) select 'probe_' || i, 'Probe ' || i, 'x'` + rows},
		"posts":         {insert: `insert into posts (author_id, body) select ` + someUser + `, repeat('words ', 15)` + rows},
		"follows":       {insert: `insert into follows (follower_id, followee_id)` + pair},
		"hidden":        {insert: `insert into hidden (viewer_id, other_id)` + pair},
		"blocks":        {insert: `insert into blocks (blocker_id, blocked_id)` + pair},
		"likes":         {insert: `insert into likes (post_id, user_id) select ` + somePost + `, ` + another + rows + once},
		"comments":      {insert: `insert into comments (post_id, author_id, body) select ` + somePost + `, ` + another + `, 'Keep two for me!'` + rows},
		"notifications": {insert: `insert into notifications (recipient_id, actor_id, kind) select ` + someUser + `, ` + another + `, 'follow'` + rows},
		"notification_state": {
			before: `delete from notification_state where user_id in (select ` + someUser + rows + `)`,
			insert: `insert into notification_state (user_id) select ` + someUser + rows + once,
		},
		"user_stats": {
			before: `delete from user_stats where user_id in (select ` + someUser + rows + `)`,
			insert: `insert into user_stats (user_id, post_count) select ` + someUser + `, 1` + rows + once,
		},
		"post_stats": {
			before: `delete from post_stats where post_id in (select ` + somePost + rows + `)`,
			insert: `insert into post_stats (post_id, like_count) select ` + somePost + `, 1` + rows + once,
		},
		"sessions": {insert: `insert into sessions (user_id, hmac_key, user_agent, expires_at)
			select ` + someUser + `, sha256(i::text::bytea), 'Mozilla/5.0', now() + interval '30 days'` + rows},
		"reports": {insert: `insert into reports (reporter_id, target_kind, target_id, subject_id, reason, snapshot)
			select ` + someUser + `, 'post', ` + somePost + `, ` + another + `, 'spam', repeat('words ', 15)` + rows + once},
		"moderation_log": {insert: `insert into moderation_log (operator, action, target_kind, target_id, reason, trace_id)
			select 'probe', 'post_removed', 'post', ` + somePost + `, 'spam', md5(i::text)` + rows},
	}
}

func marketProbes() map[string]probe {
	const (
		someFarm    = `1 + i * 7919 % (select max(id) from farms)`
		someProduct = `1 + i * 7919 % (select max(id) from products)`
		someOrder   = `1 + i * 104729 % (select max(id) from orders)`
	)
	return map[string]probe{
		"farms":        {insert: `insert into farms (name) select 'Probe ' || i` + rows},
		"farm_members": {insert: `insert into farm_members (farm_id, user_id, role) select ` + someFarm + `, ` + another + `, 'member'` + rows + once},
		"products":     {insert: `insert into products (farm_id, name, category, price, unit) select ` + someFarm + `, 'Probe', 'fruit', 100, 'kg'` + rows},
		"cart_items":   {insert: `insert into cart_items (user_id, product_id, quantity) select ` + another + `, ` + someProduct + `, 1` + rows + once},
		"orders": {insert: `insert into orders (buyer_id, farm_id, status, currency, total, idempotency_key, request_hash)
			select ` + another + `, ` + someFarm + `, 'placed', 'EUR', 100, 'probe-' || i, sha256(i::text::bytea)` + rows},
		"order_lines": {insert: `insert into order_lines (order_id, product_id, name, unit, price, quantity)
			select ` + someOrder + `, ` + someProduct + `, 'Probe', 'kg', 100, 1` + rows + once},
	}
}

func pictureProbes() map[string]probe {
	const (
		insert = `insert into media (owner_id, purpose, content_type, bytes) select ` + someUser + `, 'post', 'image/jpeg', 100000` + rows
		fresh  = ` from (select row_number() over (order by id desc) i, id from media order by id desc limit 1000) m`
	)
	return map[string]probe{
		"media": {insert: insert},
		"media_blobs": {insert: `insert into media_blobs (owner_id, sha256, content_type, bytes, key)
			select ` + someUser + `, sha256(i::text::bytea), 'image/jpeg', 100000, md5(i::text)` + rows},
		"post_media": {
			before: insert, dirty: "media",
			insert: `insert into post_media (post_id, position, media_id) select ` + somePost + `, 4, m.id` + fresh + once,
		},
		"product_media": {
			before: insert, dirty: "media",
			insert: `insert into product_media (product_id, position, media_id) select 1 + i * 7919 % (select max(id) from products), 4, m.id` + fresh + once,
		},
		"avatars": {
			before: `with gone as (delete from avatars where user_id in (select ` + someUser + rows + `)) ` + insert, dirty: "media",
			insert: `insert into avatars (user_id, media_id) select ` + someUser + `, m.id` + fresh + once,
		},
	}
}

func measureIndexes(ctx context.Context, conn *pgx.Conn, used map[string]bool) ([]Index, error) {
	var out []Index
	for _, name := range slices.Sorted(maps.Keys(used)) {
		i := Index{Name: name}
		if err := conn.QueryRow(ctx, sqlIndex, name).Scan(&i.Table, &i.Bytes, &i.Entries, &i.Definition, &i.Constraint); err != nil {
			return nil, fault.Wrap(err, fault.Failed, "the index %s can't be read", name)
		}
		p, ok := probes()[i.Table]
		if !ok {
			return nil, fault.New(fault.Internal, "%s serves a list, and there is no probe of writes to %s", name, i.Table)
		}
		if err := i.measureWrites(ctx, conn, p); err != nil {
			return nil, fault.Wrap(err, fault.Failed, "what %s costs can't be measured", name)
		}
		for _, table := range []string{i.Table, p.dirty} {
			if table == "" {
				continue
			}
			if err := vacuum(ctx, conn, table); err != nil {
				return nil, err
			}
		}
		out = append(out, i)
	}
	return out, nil
}

func (i *Index) measureWrites(ctx context.Context, conn *pgx.Conn, p probe) error {
	return rolledBack(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, p.before)
		if err != nil {
			return err
		}
		if i.With, err = walOf(ctx, tx, p.insert); err != nil || i.Constraint {
			return err
		}
		if _, err := tx.Exec(ctx, "drop index "+pgx.Identifier{i.Name}.Sanitize()); err != nil {
			return err
		}
		i.Without, err = walOf(ctx, tx, p.insert)
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
