package verify_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/api/verify"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

type fastHasher struct{}

func (fastHasher) Hash(context.Context, string) (string, error) { return "unused", nil }

// community is a database with people in it, and a way to damage it.
func community(t *testing.T) (url string, exec func(sql string)) {
	t.Helper()
	url = pgtest.New(t, apitest.Template(t))
	conn, err := pg.Connect(t.Context(), url, "verify test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := seed.Run(t.Context(), conn, seed.Options{Scale: seed.Scales()[0], Seed: 1, Hasher: fastHasher{}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return url, func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%v: %s", err, sql)
		}
	}
}

func run(t *testing.T, url string, repair bool) (verify.Report, map[string]verify.Finding) {
	t.Helper()
	rep, err := verify.Run(t.Context(), url, verify.Options{Repair: repair})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]verify.Finding{}
	for _, f := range rep.Checks {
		by[f.Check] = f
	}
	return rep, by
}

// Each kind of drift is found by its own check and by no other, counted, shown and repaired.
func TestDriftIsFoundAndRepaired(t *testing.T) {
	t.Parallel()
	const unchecked = "set session_replication_role = replica; "
	const checked = "; set session_replication_role = default"
	for _, c := range []struct {
		check, damage, example string
		drift                  int64
	}{
		{"like_counts", "update post_stats set like_count = like_count + 3 where post_id in (4, 9)", "post 4: like_count is", 2},
		{"like_counts", "delete from post_stats where post_id = (select min(post_id) from likes)", "like_count is 0, there are", 1},
		{"comment_counts", "update post_stats set comment_count = 77 where post_id = 5", "comment_count is 77, there are", 1},
		{"user_counts", "update user_stats set post_count = post_count - 1, follower_count = 70 where user_id in (2, 3)", "user 2: post_count, follower", 2},
		{"user_counts", "delete from user_stats where user_id = 4", "are 0, 0 and 0, there are", 1},
		{"hidden_missing", "delete from follows where follower_id in (2, 3); " + unchecked + "insert into blocks values (2, 3)" + checked, "2 blocked 3, and 2 still sees 3", 2},
		{"hidden_extra", "insert into hidden values (4, 5), (5, 4), (5, 6)", "neither blocked the other", 3},
		{"follows_hidden", unchecked + "insert into blocks values (2, 1); insert into hidden values (1, 2), (2, 1)" + checked,
			"1 follows 2, who is hidden", 1},
		{"notification_state", "insert into notification_state values (1, 100000)", "last_seen_id is 100000, the newest", 1},
		{"notification_state", "insert into notification_state values (1, -1)", "last_seen_id is -1", 1},
		{"media_attached", pictures + `insert into post_media select p.id, 1, 1 from posts p where p.author_id = 2 limit 1; insert into avatars values (1, 1);
			insert into post_media select p.id, 1, 2 from posts p where p.author_id = 1 limit 1;
			insert into product_media values (1, 1, 3)`, "picture 1, a post of 1, is", 3},
		{"stock", "update products set sold = sold + 3 where id in (4, 9)", "product 4: sold is", 2},
		{"orphans follows.followee_id", unchecked + "insert into follows values (1, 4711), (2, 4711)" + checked,
			"follows followee_id: no row 4711 in users", 2},
		{"orphans notifications.comment_id", unchecked +
			"insert into notifications (recipient_id, actor_id, kind, comment_id) values (1, 2, 'comment', 4711)" + checked, "no row 4711 in comments", 1},
	} {
		t.Run(c.check, func(t *testing.T) {
			t.Parallel()
			url, exec := community(t)
			exec(c.damage)
			rep, by := run(t, url, false)
			f := by[c.check]
			if rep.Drift != c.drift || f.Drift != c.drift || rep.Left != c.drift || rep.Fixed != 0 ||
				!strings.Contains(strings.Join(f.Examples, "\n"), c.example) {
				t.Errorf("found %d, in all %+v", f.Drift, rep)
			}
			if rep, by = run(t, url, true); rep.Drift != c.drift || by[c.check].Fixed != c.drift || rep.Left != 0 {
				t.Errorf("repaired %d, in all %+v", by[c.check].Fixed, rep)
			}
			if rep, _ = run(t, url, true); rep.Drift != 0 || rep.Fixed != 0 {
				t.Errorf("after the repair: %+v", rep)
			}
		})
	}
}

// A dataset that is half written is said to be, and a repair of it refused: it would make what is still to come wrong.
func TestHalfSeeded(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	conn, err := pg.Connect(t.Context(), url, "verify test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := seed.Options{Scale: seed.Scales()[0], Seed: 1, Hasher: fastHasher{}, Now: time.Now()}
	o.OnProgress = func(p seed.Progress) {
		if p.Rows > 100 { // the products are there, whose sales are still to come
			cancel()
		}
	}
	if _, err := seed.Run(ctx, conn, o); err == nil {
		t.Fatal("the seeding was not cut off")
	}
	conn.Close(context.Background())
	rep, by := run(t, url, false)
	if !strings.HasPrefix(rep.Unfinished, "demo-1-v") || by["stock"].Drift == 0 {
		t.Errorf("%+v", rep)
	}
	_, err = verify.Run(t.Context(), url, verify.Options{Repair: true})
	if e := fault.From(err); e.Kind != fault.Refused || !strings.Contains(e.Hint, "platctl db seed --scale demo --seed 1") {
		t.Errorf("%v", err)
	}
	if again, by := run(t, url, false); again.Drift != rep.Drift || by["stock"].Drift == 0 {
		t.Errorf("a refused repair changed something: %+v", again)
	}
}

// Drift in a record of commerce is found by its own check, told and left alone.
func TestOrderDriftIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		check, damage, example string
		drift                  int64
	}{
		{"order_totals", "update orders set total = total + 1 where id = 3; update payments set amount = amount + 1 where order_id = 3", "order 3: total is", 1},
		{"order_lines", `update order_lines set product_id = (select max(p.id) from products p, orders o where o.id = 5 and p.farm_id <> o.farm_id
			and p.id not in (select product_id from order_lines where order_id = 5)) where order_id = 5 and product_id = (select min(product_id) from order_lines where order_id = 5);
			update products p set sold = (select coalesce(sum(l.quantity), 0) from order_lines l join orders o on o.id = l.order_id and o.status <> 'cancelled' where l.product_id = p.id)`,
			"order 5 is with farm", 1},
		{"order_history", "delete from order_events where order_id = 7 and from_status is null", "order 7 is", 1},
		{"order_history", "update orders set status = 'ready' where id = 7; update payments set status = 'due' where order_id = 7", "order 7 is ready, its steps are >placed placed>confirmed", 1},
		{"order_payments", "update payments set status = 'due' where order_id = 7", "is completed, its payment of", 1},
		{"order_payments", "delete from payments where order_id in (7, 8)", "missing", 2},
		{"payment_intents", `update payments set status = 'voiding', updated_at = now() - interval '1 hour'
			where order_id = (select min(id) from orders where status = 'cancelled')`, "is voiding since", 1},
	} {
		t.Run(c.check, func(t *testing.T) {
			t.Parallel()
			url, exec := community(t)
			exec(c.damage)
			rep, by := run(t, url, true)
			f := by[c.check]
			if rep.Drift != c.drift || f.Left != c.drift || rep.Fixed != 0 || f.Hint == "" || !strings.Contains(strings.Join(f.Examples, "\n"), c.example) {
				t.Errorf("%+v, in all %+v", f, rep)
			}
		})
	}
}

// More drift than one batch is repaired too, and only five examples are kept.
func TestManyRows(t *testing.T) {
	t.Parallel()
	url, exec := community(t)
	exec("insert into posts (author_id, body) select 2, 'post number ' || i from generate_series(1, 1203) i")
	exec("insert into post_stats (post_id, like_count) select id, 1 from posts where id > 60")
	rep, by := run(t, url, true)
	if f := by["like_counts"]; rep.Left != 0 || f.Drift != 1203 || f.Fixed != 1203 || len(f.Examples) != 5 {
		t.Errorf("%+v", f)
	}
}

// pictures are three of the first account's, and the only ones.
const pictures = `truncate media_blobs restart identity cascade; truncate media restart identity cascade;
	insert into media_blobs (owner_id, sha256, content_type, bytes, key, state) values (1, sha256('x'), 'image/png', 9, 'key', 'ready');
	insert into media (owner_id, purpose, content_type, bytes, blob_id) select 1, 'post', 'image/png', 9, 1 from generate_series(1, 3); `

// Uploads that wait too long and bytes of no picture are found, and left to whoever can do something about them; what is about to be
// removed is not counted.
func TestPictures(t *testing.T) {
	t.Parallel()
	url, exec := community(t)
	exec(pictures + `insert into media_blobs (owner_id, sha256, content_type, bytes, key, state, created_at, code) values
		(1, sha256('a'), 'image/png', 9, 'a', 'processing', now() - interval '2 hours', 'storage_unreachable'), (1, sha256('b'), 'image/png', 9, 'b', 'processing', now(), null),
		(2, sha256('c'), 'image/png', 9, 'c', 'ready', now(), null), (null, sha256('d'), 'image/png', 9, 'd', 'ready', now(), null),
		(3, sha256('e'), 'image/png', 9, 'e', 'ready', now(), null);
		insert into media (owner_id, purpose, content_type, bytes, blob_id) values (1, 'post', 'image/png', 9, 2), (1, 'post', 'image/png', 9, 3);
		insert into river_job (kind, args, max_attempts) values ('media_drop', '{"blob": 6}', 5)`)
	rep, by := run(t, url, true)
	pending, orphaned := by["media_pending"], by["media_orphaned"]
	if pending.Left != 1 || !strings.Contains(pending.Examples[0], "(storage_unreachable)") || pending.Hint == "" {
		t.Errorf("%+v", pending)
	}
	if orphaned.Left != 1 || !strings.Contains(orphaned.Examples[0], "upload 4, 9 bytes") || orphaned.Hint == "" || rep.Left != 2 || rep.Fixed != 0 {
		t.Errorf("%+v, %+v", orphaned, rep)
	}
}

// The dead count no more; the outbox is checked where it exists, and is its relay's to repair.
func TestDeadPeopleAndOutbox(t *testing.T) {
	t.Parallel()
	url, exec := community(t)
	if rep, by := run(t, url, false); rep.Drift != 0 {
		t.Errorf("an undamaged dataset has drift: %+v, %+v", rep, by)
	}
	exec("alter table users disable trigger user; update users set banned_at = now() where id = 3; alter table users enable trigger user")
	rep, by := run(t, url, true)
	if by["like_counts"].Drift == 0 || by["comment_counts"].Drift == 0 || rep.Left != 0 {
		t.Errorf("%+v", rep)
	}
	exec(`create table if not exists app_events (id bigint generated always as identity primary key, kind text not null, payload jsonb not null,
		trace_id text not null, created_at timestamptz not null default now(), emitted_at timestamptz)`)
	exec(`insert into app_events (kind, payload, trace_id, created_at) values ('a', '{}', '', now() - interval '1 hour'), ('b', '{}', '', now())`)
	rep, by = run(t, url, true)
	if f := by["outbox"]; f.Drift != 1 || f.Left != 1 || f.Hint == "" || rep.Fixed != 0 {
		t.Errorf("%+v", f)
	}
}

// Repairs while people like posts: no like is lost, none counted twice, and nobody sees drift that isn't there.
func TestRepairWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	url, exec := community(t)
	exec("update post_stats set like_count = like_count + 5")
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 2 {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		wg.Go(func() { likeAndUnlike(ctx, t, conn, int64(i+2)) })
	}
	rep, _ := run(t, url, true)
	if again, by := run(t, url, false); again.Drift != 0 {
		t.Errorf("while likes go on: %+v, %+v", again, by["like_counts"])
	}
	stop()
	wg.Wait()
	if again, _ := run(t, url, false); rep.Left != 0 || again.Drift != 0 {
		t.Errorf("first %+v, then %+v", rep, again)
	}
}

func likeAndUnlike(ctx context.Context, t *testing.T, conn *pgx.Conn, user int64) {
	for i := int64(0); ctx.Err() == nil; i++ {
		post := 1 + i%60
		_, err := conn.Exec(context.WithoutCancel(ctx), `with i as (insert into likes (post_id, user_id) values ($1, $2) on conflict do nothing returning 1)
			update post_stats set like_count = like_count + 1 where post_id = $1 and exists (select 1 from i)`, post, user)
		if err == nil && i%3 == 0 {
			_, err = conn.Exec(context.WithoutCancel(ctx), `with d as (delete from likes where post_id = $1 and user_id = $2 returning 1)
				update post_stats set like_count = like_count - 1 where post_id = $1 and exists (select 1 from d)`, post, user)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

func TestEveryForeignKeyIsChecked(t *testing.T) {
	t.Parallel()
	url, _ := community(t)
	conn, err := pg.Connect(t.Context(), url, "keys")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var keys, wide int
	if err := conn.QueryRow(t.Context(), `select count(*), count(*) filter (where cardinality(conkey) > 1) from pg_constraint
		where contype = 'f' and connamespace = 'public'::regnamespace`).Scan(&keys, &wide); err != nil {
		t.Fatal(err)
	}
	rep, _ := run(t, url, false)
	rep.Checks = slices.DeleteFunc(rep.Checks, func(f verify.Finding) bool { return !strings.HasPrefix(f.Check, "orphans ") })
	if len(rep.Checks) != keys || wide > 0 {
		t.Errorf("%d checks for %d foreign keys, %d of more than one column", len(rep.Checks), keys, wide)
	}
}
