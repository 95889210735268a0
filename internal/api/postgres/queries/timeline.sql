-- name: CreatePost :one
-- No row: the account is gone, or one of the pictures is not the author's to attach.
with me as (
    select u.id, u.handle, u.display_name from visible_users(@author_id::bigint) u where u.id = @author_id::bigint
), pictures as (
    select m.id, w.position from unnest(@media_ids::bigint[]) with ordinality w (id, position)
    join media m on m.id = w.id and m.owner_id = @author_id::bigint and m.purpose = 'post'
    join media_blobs b on b.id = m.blob_id and b.state in ('processing', 'ready')
    where not exists (select 1 from post_media a where a.media_id = m.id)
), p as (
    insert into posts (author_id, body) select me.id, @body from me
    where (select count(*) from pictures) = cardinality(@media_ids::bigint[])
    returning id, author_id, body, created_at
), attached as (
    insert into post_media (post_id, position, media_id) select p.id, x.position, x.id from p cross join pictures x
    returning post_id, media_id
), event as (
    insert into app_events (kind, payload, trace_id)
    select 'post_created', jsonb_build_object('post_id', p.id, 'author_id', p.author_id), @trace_id from p
), told as (
    insert into app_events (kind, payload, trace_id)
    select 'media_attached', jsonb_build_object('media_id', a.media_id, 'owner_id', @author_id::bigint, 'target', 'post', 'target_id', a.post_id), @trace_id
    from attached a
)
select p.id, p.body, p.created_at, me.id as author_id, me.handle, me.display_name,
       (select jsonb_agg(jsonb_build_object('id', m.id, 'key', b.key, 'sizes', b.sizes) order by x.position)
        from pictures x join media m on m.id = x.id join media_blobs b on b.id = m.blob_id and b.state = 'ready') as pictures
from p join me on me.id = p.author_id;

-- name: GetPost :one
-- liked counts to one: exists() may be planned as reading everything that the viewer has ever liked.
select p.id, p.body, p.created_at, p.edited_at, u.id as author_id, u.handle, u.display_name,
       n.like_count, n.comment_count,
       (select count(*) from visible_likes(@viewer_id::bigint) l where l.post_id = p.id and l.user_id = @viewer_id::bigint) > 0 as liked,
       (select jsonb_agg(x.picture order by x.position) from post_pictures x where x.post_id = p.id) as pictures
from visible_posts(@viewer_id) p
join visible_users(@viewer_id) u on u.id = p.author_id
cross join lateral post_counts(@viewer_id, p.id) n
where p.id = @id::bigint;

-- name: PostExists :one
select exists (select 1 from visible_posts(@viewer_id::bigint) p where p.id = @id::bigint);

-- name: EditPost :one
-- Whether it was the viewer's to edit. No row: there is no such post.
with target as (
    select p.id, p.author_id = @viewer_id::bigint as mine from visible_posts(@viewer_id::bigint) p where p.id = @id::bigint
), edit as (
    update posts w set body = @body, edited_at = now()
    from target t where w.id = t.id and t.mine and w.deleted_at is null
)
select mine::bool as mine from target;

-- name: DeletePost :one
-- Whether it was the viewer's to delete. No row: there is no such post.
with target as (
    select p.id, p.author_id = @viewer_id::bigint as mine from visible_posts(@viewer_id::bigint) p where p.id = @id::bigint
), del as (
    update posts w set deleted_at = now()
    from target t where w.id = t.id and t.mine and w.deleted_at is null
)
select mine::bool as mine from target;

-- name: ListUserPosts :many
-- The author is looked up first; then the page is cut from the index alone, in its order, and only what is on the page is
-- read and counted.
with author as materialized (
    select u.id, u.handle, u.display_name from visible_users(@viewer_id::bigint) u where u.id = @author_id::bigint
), page as materialized (
    select x.id, a.id as author_id, a.handle, a.display_name
    from author a cross join lateral (
        select p.id from visible_posts(@viewer_id) p
        where p.author_id = a.id and p.id < @before_id::bigint
        order by p.id desc limit @page_size::int
    ) x
)
select p.id, p.body, p.created_at, p.edited_at, page.author_id, page.handle, page.display_name,
       n.like_count, n.comment_count,
       (select count(*) from visible_likes(@viewer_id) l where l.post_id = p.id and l.user_id = @viewer_id) > 0 as liked,
       (select jsonb_agg(x.picture order by x.position) from post_pictures x where x.post_id = p.id) as pictures
from page join visible_posts(@viewer_id) p on p.id = page.id
cross join lateral post_counts(@viewer_id, p.id) n
order by p.id desc;

-- name: HomeFeed :many
-- Two exact ways to the newest k posts of the people that the viewer follows, without any work when somebody posts. Who
-- follows many or busy people finds k among the newest 500 posts of everybody: that is the page, for 30 pages read instead
-- of 6,000. Anybody else's comes from the frontier: the newest k posts come from at most k authors, and those are among the
-- k followees with the newest latest post before the cursor. If k such followees exist, k posts exist at or above the oldest
-- of those posts, so nothing below it can be on the page.
-- concealment: exempt what is read of posts is by visible followees only
with followees as materialized (
    select f.followee_id as id from visible_follows(@viewer_id::bigint) f where f.follower_id = @viewer_id::bigint
), recent as materialized (
    select x.id
    from (
        select p.id, p.author_id from posts p
        where p.deleted_at is null and p.id < @before_id::bigint
        order by p.id desc limit 500
    ) x
    where (x.author_id in (select f.id from followees f)) is true -- a hash, where a join could compare each with each
    order by x.id desc limit @page_size::int
), enough as materialized (
    select count(*) = @page_size::int as yes from recent
), frontier as materialized (
    select f.id as followee_id, n.id as newest_id
    from followees f
    cross join lateral (
        select p.id from posts p
        where p.author_id = f.id and p.deleted_at is null and p.id < @before_id::bigint
        order by p.id desc limit 1
    ) n
    where not (select enough.yes from enough)
    order by n.id desc limit @page_size::int
), floor as (
    select case when count(*) = @page_size::int then min(newest_id) else 0 end as id from frontier
), page as materialized (
    select r.id from recent r where (select enough.yes from enough)
    union all
    select y.id from (
        select x.id
        from frontier fr
        cross join lateral (
            select p.id from posts p
            where p.author_id = fr.followee_id and p.deleted_at is null
              and p.id < @before_id::bigint and p.id >= (select floor.id from floor)
            order by p.id desc limit @page_size::int
        ) x
        order by x.id desc limit @page_size::int
    ) y
)
select p.id, p.body, p.created_at, p.edited_at, u.id as author_id, u.handle, u.display_name,
       n.like_count, n.comment_count,
       (select count(*) from visible_likes(@viewer_id) l where l.post_id = p.id and l.user_id = @viewer_id::bigint) > 0 as liked,
       (select jsonb_agg(x.picture order by x.position) from post_pictures x where x.post_id = p.id) as pictures
from page join posts p on p.id = page.id
join users u on u.id = p.author_id
cross join lateral post_counts(@viewer_id, p.id) n
order by p.id desc;
