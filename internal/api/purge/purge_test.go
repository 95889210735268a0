package purge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/purge"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/api/verify"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

type fastHasher struct{}

func (fastHasher) Hash(context.Context, string) (string, error) { return "unused", nil }

// who is purged in these tests: somebody of the demo community with rows in every corner.
const who = 3

// more gives who what the demo community lacks.
const more = `
	truncate media_blobs restart identity cascade; truncate media restart identity cascade;
	insert into blocks (blocker_id, blocked_id) values (3, 4), (5, 3), (3, 6), (6, 3);
	insert into sessions (user_id, hmac_key, expires_at) select 3, decode(repeat('00', 32), 'hex'), now() + interval '1 day' from generate_series(1, 5);
	insert into notification_state values (3, 1) on conflict do nothing;
	insert into reports (reporter_id, target_kind, target_id, subject_id, reason, snapshot) values
		(3, 'user', 4, 4, 'spam', 'x'), (4, 'user', 3, 3, 'spam', 'x');
	insert into reports (reporter_id, target_kind, target_id, subject_id, reason, snapshot, resolved_at, resolved_by, resolution, resolution_reason)
		values (7, 'user', 8, 8, 'spam', 'x', now(), 3, 'dismissed', 'x');
	insert into farm_members (farm_id, user_id, role) values (2, 3, 'member');
	insert into cart_items (user_id, product_id, quantity) values (3, 1, 2), (3, 2, 1);
	insert into idempotency_keys (account_id, key, fingerprint) values (3, 'k', decode(repeat('00', 32), 'hex'));
	update orders set note = 'Ring twice.' where id % 3 = 0;
	update order_events set reason = 'Changed my mind.' where to_status = 'cancelled';
	insert into confirmations (purpose, email, user_id) values ('reset', 'who@example.org', 3);
	update users set email = 'who@example.org', email_verified_at = now() where id = 3;
	insert into media_blobs (owner_id, sha256, content_type, bytes, key, state) values (3, sha256('x'), 'image/png', 9, 'key', 'ready');
	insert into media (owner_id, purpose, content_type, bytes, blob_id) select 3, p, 'image/png', 9, 1 from unnest(array['post', 'avatar']) p;
	insert into post_media select min(id), 1, 1 from posts where author_id = 3;
	insert into avatars values (3, 2);
	update posts set deleted_at = now() where id = (select min(id) from posts where author_id = 3)`

// community is a database with people in it, of whom one has been deleted and is due.
func community(t *testing.T) (*pgxpool.Pool, func(sql string, args ...any)) {
	t.Helper()
	pool, err := pg.Open(t.Context(), pgtest.New(t, apitest.Template(t)), pg.Options{StatementTimeout: 30 * time.Second, LockTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%v: %s", err, sql)
		}
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := seed.Run(t.Context(), conn.Conn(), seed.Options{Scale: seed.Scales()[0], Seed: 1, Hasher: fastHasher{}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range strings.Split(more, ";") {
		exec(sql)
	}
	exec("update users set deleted_at = now(), purge_at = now() where id = $1", who)
	return pool, exec
}

func purger(pool *pgxpool.Pool, batch int32, onBatch func(string, int64)) *purge.Purger {
	return purge.New(purge.Options{DB: pool, Log: slog.New(slog.DiscardHandler), Batch: batch, OnBatch: onBatch})
}

// columns returns every column that points at users, as table.column.
func columns(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `select c.conrelid::regclass || '.' || a.attname from pg_constraint c
		join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
		where c.contype = 'f' and c.confrelid = 'users'::regclass order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(all) < 15 {
		t.Fatalf("columns: %v, %v", all, err)
	}
	return all
}

// Every column that points at users is emptied by one step, so that no purge ends in a statement that cascades over a hundred
// thousand rows, and a new table is not forgotten.
func TestEveryColumnHasAStep(t *testing.T) {
	t.Parallel()
	pool, _ := community(t)
	covered := map[string]int{}
	for _, columns := range purge.Covered() {
		for _, c := range columns {
			covered[c]++
		}
	}
	for _, c := range columns(t, pool) {
		if covered[c] != 1 {
			t.Errorf("%s is covered by %d steps of a purge; add one to steps()", c, covered[c])
		}
		delete(covered, c)
	}
	for c := range covered {
		t.Errorf("a step covers %s, which does not point at users", c)
	}
}

// left returns how many rows each column has that still point at who.
func left(t *testing.T, pool *pgxpool.Pool) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, c := range columns(t, pool) {
		table, column, _ := strings.Cut(c, ".")
		var n int
		if err := pool.QueryRow(t.Context(), fmt.Sprintf("select count(*) from %s where %s = %d", table, column, who)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			out[c] = n
		}
	}
	return out
}

// rest describes every table as who's purge has to leave it: computed from the rows themselves, before it or after it.
func rest(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var out strings.Builder
	for name, sql := range map[string]string{
		"posts":         "select id, author_id, body, deleted_at is null from posts where author_id <> 3",
		"post_stats":    "select s.post_id, s.like_count, s.comment_count from post_stats s join posts p on p.id = s.post_id where p.author_id <> 3",
		"comments":      "select c.id from comments c join posts p on p.id = c.post_id where p.author_id <> 3 and c.author_id <> 3",
		"likes":         "select l.post_id, l.user_id from likes l join posts p on p.id = l.post_id where p.author_id <> 3 and l.user_id <> 3",
		"follows":       "select follower_id, followee_id from follows where 3 not in (follower_id, followee_id)",
		"blocks":        "select blocker_id, blocked_id from blocks where 3 not in (blocker_id, blocked_id)",
		"hidden":        "select viewer_id, other_id from hidden where 3 not in (viewer_id, other_id)",
		"notifications": "select n.id from notifications n where 3 not in (n.recipient_id, coalesce(n.actor_id, 0))",
		"orders":        "select o.id, nullif(o.buyer_id, 3), o.farm_id, o.status, o.total, case when o.buyer_id <> 3 then o.note else '' end from orders o",
		"order_events":  "select e.id, nullif(e.actor_id, 3), e.to_status, case when e.actor_id <> 3 then e.reason else '' end from order_events e",
		"farm_members":  "select farm_id, user_id, role from farm_members where user_id <> 3",
		"products":      "select id, farm_id, available, sold from products",
		"cart_items":    "select user_id, product_id from cart_items where user_id <> 3",
		"users":         "select id, handle, display_name, deleted_at, banned_at from users where id <> 3",
		"reports":       "select id, nullif(reporter_id, 3), nullif(subject_id, 3), nullif(resolved_by, 3), target_id, snapshot from reports",
	} {
		var text string
		if err := pool.QueryRow(t.Context(), "select coalesce(string_agg(r::text, ' ' order by r::text), '') from ("+sql+") r").Scan(&text); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s: %s\n", name, text)
	}
	lines := strings.Split(out.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func noDrift(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	rep, err := verify.Run(t.Context(), pool.Config().ConnString(), verify.Options{})
	if err != nil || rep.Drift != 0 {
		t.Errorf("verify: %+v, %v", rep, err)
	}
}

func exists(t *testing.T, pool *pgxpool.Pool) (there bool) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "select exists (select 1 from users where id = $1)", who).Scan(&there); err != nil {
		t.Fatal(err)
	}
	return there
}

// A purge leaves nothing of an account and everything of everybody else, whatever the size of a batch.
func TestPurgeRemovesAllAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, batch := range []int32{0, 1, 7} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			t.Parallel()
			pool, _ := community(t)
			before, had := rest(t, pool), left(t, pool)
			if len(had) != len(columns(t, pool)) {
				t.Fatalf("the account has rows in %v only", had)
			}
			counts, err := purge.Counts(t.Context(), pool, who)
			if err != nil || slices.ContainsFunc(counts, func(c purge.Count) bool { return c.Rows == 0 }) {
				t.Errorf("counts = %+v, %v", counts, err)
			}
			p := purger(pool, batch, func(what string, rows int64) {
				if most := int64(max(batch, 2*purge.Few)); batch > 0 && rows > max(2*int64(batch), 1) && what != "posts" || batch == 0 && rows > max(most, purge.Many) {
					t.Errorf("%d rows of %s in one batch", rows, what)
				}
			})
			if err := p.Due(t.Context()); err != nil {
				t.Fatal(err)
			}
			if now := left(t, pool); len(now) > 0 || exists(t, pool) {
				t.Errorf("left: %v, the account: %v", now, exists(t, pool))
			}
			if after := rest(t, pool); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			noDrift(t, pool)
			if err := p.Due(t.Context()); err != nil {
				t.Errorf("with nothing due: %v", err)
			}
		})
	}
}

// Killed after any batch, a purge goes on where it was and ends like one that was left alone.
func TestPurgeIsResumed(t *testing.T) {
	t.Parallel()
	pool, _ := community(t)
	before := rest(t, pool)
	kills := 0
	for exists(t, pool) {
		ctx, kill := context.WithCancel(t.Context())
		batches := 0
		err := purger(pool, 5, func(string, int64) {
			if batches++; batches == 3 {
				kill()
			}
		}).Due(ctx)
		kill()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		noDrift(t, pool)
		kills++
	}
	if kills < 5 {
		t.Errorf("only %d runs: nothing was interrupted", kills)
	}
	if now := left(t, pool); len(now) > 0 {
		t.Errorf("left: %v", now)
	}
	if after := rest(t, pool); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// Several servers at once purge like one.
func TestPurgersAtOnce(t *testing.T) {
	t.Parallel()
	pool, exec := community(t)
	exec("update users set deleted_at = now(), purge_at = now() where id in (4, 5, 6)")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := purger(pool, 4, nil).Due(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n int
	if err := pool.QueryRow(t.Context(), "select count(*) from users where deleted_at is not null").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d accounts are left, %v", n, err)
	}
	noDrift(t, pool)
}

// A ban outlives the purge as a handle, and goes with the account when it is lifted.
func TestABanStays(t *testing.T) {
	t.Parallel()
	pool, exec := community(t)
	exec("update users set banned_at = now() where id = $1", who)
	p := purger(pool, 0, nil)
	if err := p.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	var name, handle, hash string
	err := pool.QueryRow(t.Context(), `select handle, display_name, password_hash from users
		where id = $1 and banned_at is not null and deleted_at is not null and purge_at is null and email is null`, who).Scan(&handle, &name, &hash)
	if now := left(t, pool); err != nil || handle == "" || name != "Deleted account" || hash != "" || len(now) != 1 || now["reports.subject_id"] == 0 {
		t.Fatalf("kept %q %q %q and %v, %v", handle, name, hash, now, err)
	}
	if err := p.Due(t.Context()); err != nil || !exists(t, pool) {
		t.Fatalf("a second look: %v", err)
	}
	if _, err := purge.Condemn(t.Context(), service(pool), who); !errors.Is(err, fault.Conflict) {
		t.Errorf("condemned: %v", err)
	}
	err = service(pool).Change(t.Context(), func(c *session.Change) error {
		_, err := c.Unban(t.Context(), who)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Due(t.Context()); err != nil || exists(t, pool) || len(left(t, pool)) != 0 {
		t.Errorf("after the ban was lifted: %v, left %v", err, left(t, pool))
	}
}

func service(pool *pgxpool.Pool) *session.Service {
	return session.New(pool, session.NewDenyMap(), session.Options{AccessTTL: time.Minute})
}

// Of two admins who are condemned at once one stays: a community is never left without.
func TestTheLastAdminStays(t *testing.T) {
	t.Parallel()
	pool, exec := community(t)
	exec("update users set role = 'admin' where id in (7, 8, $1)", who) // who is deleted, and counts for nothing
	errs := make(chan error, 2)
	for _, id := range []int64{7, 8} {
		go func() { _, err := purge.Condemn(t.Context(), service(pool), id); errs <- err }()
	}
	a, b := <-errs, <-errs
	if a == nil {
		a, b = b, a
	}
	if b != nil || fault.From(a).Code != "last_admin" {
		t.Errorf("%v and %v; want one that is done and one refused", a, b)
	}
	if _, err := purge.Condemn(t.Context(), service(pool), who); err != nil {
		t.Errorf("an admin who is deleted: %v", err)
	}
}

// Somebody with a legal claim is purged at once, deleted before or not.
func TestCondemned(t *testing.T) {
	t.Parallel()
	pool, _ := community(t)
	ended, err := purge.Condemn(t.Context(), service(pool), 5)
	if err != nil || ended != 0 {
		t.Fatalf("condemn = %d, %v", ended, err)
	}
	if ended, err = purge.Condemn(t.Context(), service(pool), who); err != nil || ended != 5 {
		t.Fatalf("condemn = %d, %v", ended, err)
	}
	noDrift(t, pool)
	for _, id := range []int64{5, who} {
		if res, err := purger(pool, 0, nil).Account(t.Context(), id); err != nil || !res.Done || res.Kept {
			t.Errorf("purge = %+v, %v", res, err)
		}
	}
	if _, err := purge.Condemn(t.Context(), service(pool), who); !errors.Is(err, fault.Conflict) {
		t.Errorf("condemned when gone: %v", err)
	}
	noDrift(t, pool)
}

// An account that can't be purged is told and holds up nobody.
func TestOneThatFails(t *testing.T) {
	t.Parallel()
	pool, exec := community(t)
	exec("update users set deleted_at = now() - interval '2 days', purge_at = now() - interval '1 day' where id = 4")
	exec(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
	exec("create trigger refuse before delete on users for each row when (old.id = 4) execute function refuse()")
	err := purger(pool, 0, nil).Due(t.Context())
	if err == nil || exists(t, pool) {
		t.Errorf("err %v; the other account is there: %v", err, exists(t, pool))
	}
	exec("drop trigger refuse on users")
	if err := purger(pool, 0, nil).Due(t.Context()); err != nil {
		t.Error(err)
	}
	noDrift(t, pool)
}

// A restore that began in time and a purge that finds the account due a moment later: whichever is first decides, and the other
// does nothing.
func TestRestoreRacesPurge(t *testing.T) {
	t.Parallel()
	restore := func(t *testing.T, tx pgx.Tx) bool {
		t.Helper()
		restored, err := db.New(tx).RestoreAccount(t.Context(), db.RestoreAccountParams{ID: who, PasswordHash: "unused"})
		if err != nil {
			t.Fatal(err)
		}
		return restored
	}
	for _, purgeFirst := range []bool{true, false} {
		t.Run(fmt.Sprintf("purge first: %v", purgeFirst), func(t *testing.T) {
			t.Parallel()
			pool, exec := community(t)
			tx, err := pool.Begin(t.Context()) // its now() is before the account is due
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(context.WithoutCancel(t.Context()))
			if _, err := tx.Exec(t.Context(), "select now()"); err != nil {
				t.Fatal(err)
			}
			exec("update users set purge_at = clock_timestamp() where id = $1", who)
			restored := false
			if !purgeFirst {
				restored = restore(t, tx)
			}
			if err := purger(pool, 0, nil).Due(t.Context()); err != nil {
				t.Fatal(err)
			}
			if purgeFirst {
				restored = restore(t, tx)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if restored == purgeFirst || exists(t, pool) == purgeFirst || (len(left(t, pool)) > 0) == purgeFirst {
				t.Errorf("restored %v, there %v, rows %v", restored, exists(t, pool), left(t, pool))
			}
			noDrift(t, pool)
		})
	}
}
