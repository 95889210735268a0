package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// A small town with everything that can hide something: people who are banned or deleted, one viewer (2) who hides many and
// one (3) who hides one, posts and comments that are deleted, and posts with no, few and many likes.
const town = `
insert into users (handle, display_name, password_hash) select 'person_' || i, 'Person ' || i, 'x' from generate_series(1, 60) i;
insert into follows (follower_id, followee_id)
select a, b from generate_series(1, 60) a, generate_series(1, 60) b where a <> b and (a * 7 + b * 11) % 3 <> 0;
insert into posts (author_id, body, deleted_at)
select 1 + i * 13 % 60, 'post', case when i % 9 = 0 then now() end from generate_series(1, 80) i;
insert into likes (post_id, user_id) select p, u from generate_series(1, 80) p, generate_series(1, 60) u where (p * u) % 12 < p % 12;
insert into comments (post_id, author_id, body, deleted_at)
select 1 + i * 17 % 80, 1 + i * 29 % 60, 'comment', case when i % 8 = 0 then now() end from generate_series(1, 500) i;
insert into notifications (recipient_id, actor_id, kind, post_id, comment_id)
select p.author_id, c.author_id, 'comment', p.id, c.id from comments c join posts p on p.id = c.post_id where c.author_id <> p.author_id;
insert into post_stats (post_id, like_count, comment_count)
select p.id, (select count(*) from likes l where l.post_id = p.id),
       (select count(*) from comments c where c.post_id = p.id and c.deleted_at is null) from posts p;
insert into blocks (blocker_id, blocked_id) select 2, i from generate_series(10, 49) i;
insert into blocks (blocker_id, blocked_id) values (50, 3), (4, 5), (5, 4);
update users set banned_at = now() where id in (20, 51);
update users set deleted_at = now() where id in (21, 52);
update users set banned_at = now(), deleted_at = now() where id = 53;
analyze`

// Who is hidden from $1 by the facts: blocks either way, and nobody who is deleted or banned.
const plain = `with sees as (
	select u.id from users u where u.deleted_at is null and u.banned_at is null and not exists (
		select 1 from blocks b where (b.blocker_id, b.blocked_id) in ((u.id, $1), ($1, u.id))))`

// The functions show what the plain rule shows, to everybody and in both of the ways in which PostgreSQL plans.
func TestVisibleIsTheRule(t *testing.T) {
	t.Parallel()
	conn := townOf(t)
	for name, rows := range map[string][2]string{
		"users":    {"select id from visible_users($1)", "select id from sees"},
		"posts":    {"select id from visible_posts($1)", "select id from posts where deleted_at is null and author_id in (select id from sees)"},
		"comments": {"select id from visible_comments($1)", "select id from comments where deleted_at is null and author_id in (select id from sees)"},
		"likes":    {"select post_id, user_id from visible_likes($1)", "select post_id, user_id from likes where user_id in (select id from sees)"},
		"follows": {"select follower_id, followee_id from visible_follows($1)",
			"select follower_id, followee_id from follows where follower_id in (select id from sees) and followee_id in (select id from sees)"},
		"notifications": {"select id from visible_notifications($1)", `select n.id from notifications n join posts p on p.id = n.post_id
			join comments c on c.id = n.comment_id
			where recipient_id = $1 and p.deleted_at is null and c.deleted_at is null and actor_id in (select id from sees)`},
		"counts": {"select p.id, n.like_count, n.comment_count from posts p cross join lateral post_counts($1, p.id) n",
			`select p.id, (select count(*) from likes l where l.post_id = p.id and l.user_id in (select id from sees)),
			(select count(*) from comments c where c.post_id = p.id and c.deleted_at is null and c.author_id in (select id from sees))
			from posts p`},
		"people's counts": {"select p.id, n.post_count, n.follower_count, n.following_count from users p cross join lateral user_counts($1, p.id) n where p.id in (select id from sees)",
			`select s.id, (select count(*) from posts p where p.author_id = s.id and p.deleted_at is null),
			(select count(*) from follows f where f.followee_id = s.id and f.follower_id in (select id from sees)),
			(select count(*) from follows f where f.follower_id = s.id and f.followee_id in (select id from sees)) from sees s`},
	} {
		sql := plain + ", want as (" + rows[1] + "), got as (" + rows[0] + `)
			select (select count(*) from want), (select count(*) from (select * from want except all select * from got) x),
			       (select count(*) from (select * from got except all select * from want) x)`
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			if _, err := conn.Exec(t.Context(), "set plan_cache_mode = "+mode); err != nil {
				t.Fatal(err)
			}
			shown := int64(0)
			for viewer := range 61 {
				var want, missing, surplus int64
				if err := conn.QueryRow(t.Context(), sql, viewer).Scan(&want, &missing, &surplus); err != nil {
					t.Fatal(name, err)
				}
				if shown += want; missing != 0 || surplus != 0 {
					t.Errorf("%s, viewer %d, %s: %d rows of %d are missing, %d too many", name, viewer, mode, missing, want, surplus)
				}
			}
			if shown == 0 {
				t.Errorf("%s: nobody sees anything", name)
			}
		}
	}
}

// A function that the planner can't inline would read its whole table for one row.
func TestVisibleIsInlined(t *testing.T) {
	t.Parallel()
	conn := townOf(t)
	for _, sql := range []string{
		"select * from visible_users(2)", "select * from visible_posts(2)", "select * from visible_comments(2)", "select * from visible_likes(2)",
		"select * from visible_follows(2)", "select * from visible_notifications(2)", "select * from post_counts(2, 7)", "select * from user_counts(2, 7)",
	} {
		rows, err := conn.Query(t.Context(), "explain "+sql)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if plan := strings.Join(lines, "\n"); err != nil || strings.Contains(plan, "Function Scan") || !strings.Contains(plan, "hidden") {
			t.Errorf("%s: %v\n%s", sql, err, plan)
		}
	}
}

func townOf(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pg.Connect(t.Context(), pgtest.New(t, apitest.Template(t)), "visible test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), town); err != nil {
		t.Fatal(err)
	}
	return conn
}
