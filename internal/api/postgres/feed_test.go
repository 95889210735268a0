package postgres_test

import (
	"math"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
)

// Eight posts in ten are by five busy people, the others by 295 who rarely write. Who follows the busy finds a page among
// the newest posts of everybody; who follows the rare needs the frontier, with more or with fewer people than a page has posts.
const readers = `
insert into users (handle, display_name, password_hash) select 'reader_' || i, 'Reader ' || i, 'x' from generate_series(1, 300) i;
insert into posts (author_id, body, deleted_at)
select case when i % 10 < 8 then 61 + i % 5 else 66 + i * 37 % 295 end,
       'post ' || i, case when i % 23 = 0 then now() end from generate_series(1, 6000) i;
insert into follows (follower_id, followee_id)
select 101, i from generate_series(61, 65) i union all
select 102, i from generate_series(200, 299) i union all
select 103, i from generate_series(300, 303) i union all
select 104, i from generate_series(61, 360) i where i <> 104 union all
select 105, i from generate_series(62, 290, 3) i where i <> 105;
insert into blocks (blocker_id, blocked_id) select 104, i from generate_series(61, 64) i union all select i, 102 from generate_series(200, 240) i;
update users set banned_at = now() where id in (65, 250, 301);
update users set deleted_at = now() where id in (251, 62);
analyze`

// Every page of the feed is the newest posts of visible followees before the cursor, whichever way it was found.
func TestFeedIsExact(t *testing.T) {
	t.Parallel()
	conn := townOf(t)
	if _, err := conn.Exec(t.Context(), readers); err != nil {
		t.Fatal(err)
	}
	const naive = `select p.id from posts p where p.id < $2 and p.deleted_at is null and p.author_id in (select followee_id from follows where follower_id = $1)
		and p.author_id in (select u.id from users u where u.deleted_at is null and u.banned_at is null and not exists (
			select 1 from blocks b where (b.blocker_id, b.blocked_id) in ((u.id, $1), ($1, u.id))))
		order by p.id desc limit $3`
	const near = `select count(*) from (select id from posts where deleted_at is null and id < $2 order by id desc limit 500) n
		where n.id = any ($1)`
	pages := map[bool]int{} // by whether the newest posts of everybody held them
	for viewer := int64(100); viewer <= 106; viewer++ {
		for _, before := range []int64{math.MaxInt64, 5000, 1234, 500, 82, 1} {
			for _, size := range []int32{1, 21, 101, 1000} {
				rows, err := conn.Query(t.Context(), naive, viewer, before, size)
				if err != nil {
					t.Fatal(err)
				}
				want, err := pgx.CollectRows(rows, pgx.RowTo[int64])
				if err != nil {
					t.Fatal(err)
				}
				feed, err := db.New(conn).HomeFeed(t.Context(), db.HomeFeedParams{ViewerID: viewer, BeforeID: before, PageSize: size})
				if err != nil {
					t.Fatal(err)
				}
				var got []int64
				for _, p := range feed {
					got = append(got, p.ID)
				}
				if !slices.Equal(got, want) {
					t.Errorf("viewer %d before %d: %d posts of %d, %v, want %v", viewer, before, len(got), size, got, want)
				}
				var n int
				if err := conn.QueryRow(t.Context(), near, want, before).Scan(&n); err != nil {
					t.Fatal(err)
				}
				pages[n == int(size)]++
			}
		}
	}
	if pages[true] < 10 || pages[false] < 10 {
		t.Errorf("pages by way: %v", pages)
	}
}
