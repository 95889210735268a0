-- name: CreatePost :one
with p as (
    insert into posts (author_id, body) values (@author_id, @body)
    returning id, author_id, body, created_at
)
select p.id, p.body, p.created_at, u.id as author_id, u.handle, u.display_name
from p join users u on u.id = p.author_id;

-- name: FollowUser :one
-- Idempotent. No row: nobody visible to the viewer has that id.
with target as (
    select u.id, u.handle, u.display_name
    from users u
    where u.id = @followee_id and u.deleted_at is null
      and not exists (select 1 from hidden h where h.viewer_id = @viewer_id and h.other_id = u.id)
), ins as (
    insert into follows (follower_id, followee_id)
    select @viewer_id, t.id from target t
    on conflict do nothing
)
select id, handle, display_name from target;

-- name: HomeFeed :many
-- The frontier query: the newest k posts come from at most k authors, and those are among the k followees with the newest
-- latest post before the cursor. If k such followees exist, k posts exist at or above the oldest of those posts, so
-- nothing below it can be on the page. Exact for every cursor, no fan-out on write.
with frontier as materialized (
    select f.followee_id, n.id as newest_id
    from follows f
    cross join lateral (
        select p.id from posts p
        where p.author_id = f.followee_id and p.deleted_at is null and p.id < @before_id::bigint
        order by p.id desc limit 1
    ) n
    where f.follower_id = @viewer_id
      and not exists (select 1 from hidden h where h.viewer_id = @viewer_id and h.other_id = f.followee_id)
    order by n.id desc limit @page_size::int
), floor as (
    select case when count(*) = @page_size::int then min(newest_id) else 0 end as id from frontier
), page as (
    select p.id, p.author_id, p.body, p.created_at
    from frontier fr
    cross join lateral (
        select x.id, x.author_id, x.body, x.created_at from posts x
        where x.author_id = fr.followee_id and x.deleted_at is null
          and x.id < @before_id::bigint and x.id >= (select floor.id from floor)
        order by x.id desc limit @page_size::int
    ) p
    order by p.id desc limit @page_size::int
)
select page.id, page.body, page.created_at, u.id as author_id, u.handle, u.display_name
from page join users u on u.id = page.author_id
order by page.id desc;
