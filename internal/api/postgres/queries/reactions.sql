-- name: CreateComment :one
-- No row: there is no such post, or the viewer is gone. The counter is written last, so its row is locked for the commit only.
with me as (
    select u.id, u.handle, u.display_name from visible_users(@viewer_id::bigint) u
    where u.id = @viewer_id::bigint and exists (select 1 from living(@viewer_id::bigint))
), target as (
    select p.id, p.author_id from visible_posts(@viewer_id) p where p.id = @post_id::bigint
), ins as (
    insert into comments (post_id, author_id, body)
    select t.id, me.id, @body from target t cross join me
    returning id, post_id, body, created_at
), note as (
    insert into notifications (recipient_id, actor_id, kind, post_id, comment_id)
    select t.author_id, @viewer_id, 'comment', i.post_id, i.id
    from ins i join target t on t.id = i.post_id
    where t.author_id <> @viewer_id::bigint
    returning id
), stat as (
    insert into post_stats (post_id, comment_count)
    select i.post_id, 1 from ins i where (select count(*) from note) >= 0
    on conflict (post_id) do update set comment_count = post_stats.comment_count + 1
)
select i.id, i.post_id, i.body, i.created_at, me.id as author_id, me.handle, me.display_name
from ins i cross join me;

-- name: ListComments :many
with post as materialized (
    select p.id from visible_posts(@viewer_id::bigint) p where p.id = @post_id::bigint
), page as materialized (
    select x.id
    from post p cross join lateral (
        select c.id from visible_comments(@viewer_id) c
        where c.post_id = p.id and c.id > @after_id::bigint
        order by c.id limit @page_size::int
    ) x
)
select c.id, c.post_id, c.body, c.created_at, u.id as author_id, u.handle, u.display_name
from page join visible_comments(@viewer_id) c on c.id = page.id
join visible_users(@viewer_id) u on u.id = c.author_id
order by c.id;

-- name: DeleteComment :one
-- Whether it was the viewer's to delete: their comment, or a comment on their post. No row: there is no such comment, or its
-- author has just gone and taken it out of the counter.
with target as (
    select c.id, (c.author_id = @viewer_id::bigint or p.author_id = @viewer_id::bigint) as mine
    from visible_comments(@viewer_id::bigint) c join visible_posts(@viewer_id) p on p.id = c.post_id
    cross join lateral living(c.author_id) author
    where c.id = @id::bigint
), del as (
    update comments w set deleted_at = now()
    from target t where w.id = t.id and t.mine and w.deleted_at is null
    returning w.post_id
), stat as (
    update post_stats s set comment_count = greatest(0, s.comment_count - 1)
    from del where s.post_id = del.post_id
)
select mine::bool as mine from target;

-- name: LikePost :one
-- Idempotent. No row: there is no such post, or the viewer is gone: counters count living people, and who was just banned has
-- left them already. The counter moves only with a like that was really new, and last.
with target as (
    select p.id, p.author_id from visible_posts(@viewer_id::bigint) p
    where p.id = @post_id::bigint and exists (select 1 from living(@viewer_id::bigint))
), ins as (
    insert into likes (post_id, user_id)
    select t.id, @viewer_id from target t
    on conflict do nothing
    returning post_id
), note as (
    insert into notifications (recipient_id, actor_id, kind, post_id)
    select t.author_id, @viewer_id, 'like', t.id from ins i join target t on t.id = i.post_id
    where t.author_id <> @viewer_id::bigint
    returning id
), stat as (
    insert into post_stats (post_id, like_count)
    select i.post_id, 1 from ins i where (select count(*) from note) >= 0
    on conflict (post_id) do update set like_count = post_stats.like_count + 1
)
select t.id, (n.like_count + (select count(*) from ins))::bigint as like_count
from target t cross join lateral post_counts(@viewer_id, t.id) n;

-- name: UnlikePost :one
-- Idempotent. No row: there is no such post, or the viewer is gone. The counter moves only with a like that was really there,
-- and last.
with target as (
    select p.id, p.author_id from visible_posts(@viewer_id::bigint) p
    where p.id = @post_id::bigint and exists (select 1 from living(@viewer_id::bigint))
), del as (
    delete from likes d using target t where d.post_id = t.id and d.user_id = @viewer_id::bigint
    returning d.post_id
), note as (
    delete from notifications w using target t
    where w.actor_id = @viewer_id::bigint and w.post_id = t.id and w.recipient_id = t.author_id and w.kind = 'like'
    returning w.id
), stat as (
    update post_stats s set like_count = greatest(0, s.like_count - 1)
    from del where s.post_id = del.post_id and (select count(*) from note) >= 0
)
select t.id, greatest(0, n.like_count - (select count(*) from del))::bigint as like_count
from target t cross join lateral post_counts(@viewer_id, t.id) n;

-- name: ListLikers :many
with post as materialized (
    select p.id from visible_posts(@viewer_id::bigint) p where p.id = @post_id::bigint
), page as materialized (
    select l.user_id as id
    from post p cross join lateral (
        select x.user_id from visible_likes(@viewer_id) x
        where x.post_id = p.id and x.user_id < @before_id::bigint
        order by x.user_id desc limit @page_size::int
    ) l
)
select u.id, u.handle, u.display_name
from page join visible_users(@viewer_id) u on u.id = page.id
order by u.id desc;
