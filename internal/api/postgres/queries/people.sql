-- name: UserProfile :one
select u.id, u.handle, u.display_name, u.bio, u.created_at,
       n.post_count, n.follower_count, n.following_count,
       exists (select 1 from visible_follows(@viewer_id::bigint) f
               where f.follower_id = @viewer_id::bigint and f.followee_id = u.id) as followed,
       (select x.picture from avatar_pictures x where x.user_id = u.id) as avatar
from visible_users(@viewer_id) u
cross join lateral user_counts(@viewer_id, u.id) n
where u.id = @id::bigint;

-- name: UpdateProfile :one
-- Whether the avatar is the viewer's to use: nothing changes otherwise. No row: the account is gone. With set_avatar, avatar_id 0
-- removes the present one.
with me as (
    select u.id from visible_users(@viewer_id::bigint) u where u.id = @viewer_id::bigint
), picture as (
    select m.id from media m join media_blobs b on b.id = m.blob_id
    where m.id = @avatar_id::bigint and m.owner_id = @viewer_id::bigint and m.purpose = 'avatar' and b.state in ('processing', 'ready')
), allowed as (
    select me.id, (not @set_avatar::bool or @avatar_id::bigint = 0 or exists (select 1 from picture)) as ok from me
), edit as (
    update users w
    set display_name = coalesce(sqlc.narg('display_name')::text, w.display_name), bio = coalesce(sqlc.narg('bio')::text, w.bio)
    from allowed a where w.id = a.id and a.ok and w.deleted_at is null
), removed as (
    delete from avatars d using allowed a where d.user_id = a.id and @set_avatar::bool and @avatar_id::bigint = 0
), attached as (
    insert into avatars as x (user_id, media_id) select a.id, p.id from allowed a cross join picture p where @set_avatar::bool
    on conflict (user_id) do update set media_id = excluded.media_id where x.media_id <> excluded.media_id
    returning user_id, media_id
), event as (
    insert into app_events (kind, payload, trace_id)
    select 'media_attached', jsonb_build_object('media_id', a.media_id, 'owner_id', a.user_id, 'target', 'avatar', 'target_id', a.user_id), @trace_id
    from attached a
)
select ok::bool as ok from allowed;

-- name: UserExists :one
select exists (select 1 from visible_users(@viewer_id::bigint) u where u.id = @id::bigint);

-- name: SearchPeople :many
-- The one whose handle is exactly that stands first on the first page; the others follow, newest first. lo and hi bound the
-- handles with a prefix in byte order, which the index has whatever the collation.
select u.id, u.handle, u.display_name
from visible_users(@viewer_id::bigint) u
where ((lower(u.handle) ~>=~ @lo::text and lower(u.handle) ~<~ @hi::text)
       or to_tsvector('simple', u.display_name) @@ to_tsquery('simple', @words::text))
  and case when lower(u.handle) = @exact::text then @first_page::bool else u.id < @before_id::bigint end
order by (lower(u.handle) = @exact::text) desc, u.id desc
limit @page_size::int;

-- name: FollowUser :one
-- Idempotent. No row: nobody visible to the viewer has that id.
with target as (
    select u.id, u.handle, u.display_name from visible_users(@viewer_id::bigint) u where u.id = @followee_id::bigint
), ins as (
    insert into follows (follower_id, followee_id)
    select @viewer_id, t.id from target t
    on conflict do nothing
    returning followee_id
), note as (
    insert into notifications (recipient_id, actor_id, kind)
    select i.followee_id, @viewer_id, 'follow' from ins i
)
select id, handle, display_name from target;

-- name: UnfollowUser :one
-- Idempotent. No row: nobody visible to the viewer has that id.
with target as (
    select u.id, u.handle, u.display_name from visible_users(@viewer_id::bigint) u where u.id = @followee_id::bigint
), del as (
    delete from follows d using target t where d.follower_id = @viewer_id::bigint and d.followee_id = t.id
), note as (
    delete from notifications n using target t
    where n.actor_id = @viewer_id::bigint and n.post_id is null and n.recipient_id = t.id and n.kind = 'follow'
)
select id, handle, display_name from target;

-- name: ListFollowers :many
-- Whose followers they are is looked up once; then the page is cut in the order of the index, before names are joined.
with person as materialized (
    select u.id from visible_users(@viewer_id::bigint) u where u.id = @id::bigint
), page as materialized (
    select f.follower_id as id
    from person p cross join lateral (
        select x.follower_id from visible_follows(@viewer_id) x
        where x.followee_id = p.id and x.follower_id < @before_id::bigint
        order by x.follower_id desc limit @page_size::int
    ) f
)
select u.id, u.handle, u.display_name
from page join visible_users(@viewer_id) u on u.id = page.id
order by u.id desc;

-- name: ListFollowing :many
with person as materialized (
    select u.id from visible_users(@viewer_id::bigint) u where u.id = @id::bigint
), page as materialized (
    select f.followee_id as id
    from person p cross join lateral (
        select x.followee_id from visible_follows(@viewer_id) x
        where x.follower_id = p.id and x.followee_id < @before_id::bigint
        order by x.followee_id desc limit @page_size::int
    ) f
)
select u.id, u.handle, u.display_name
from page join visible_users(@viewer_id) u on u.id = page.id
order by u.id desc;

-- name: BlockUser :one
-- Idempotent. No row: the viewer sees nobody with that id and has not blocked them.
-- concealment: exempt somebody whom the viewer has blocked stays known to the viewer
with target as (
    select u.id, u.handle, u.display_name from visible_users(@viewer_id::bigint) u where u.id = @other_id::bigint
    union
    select u.id, u.handle, u.display_name from blocks b join users u on u.id = b.blocked_id
    where b.blocker_id = @viewer_id::bigint and b.blocked_id = @other_id::bigint and u.deleted_at is null and u.banned_at is null
), ins as (
    insert into blocks (blocker_id, blocked_id)
    select @viewer_id, t.id from target t
    on conflict do nothing
)
select id, handle, display_name from target;

-- name: UnblockUser :one
-- Idempotent. No row: the viewer sees nobody with that id and has not blocked them.
-- concealment: exempt somebody whom the viewer has blocked stays known to the viewer
with target as (
    select u.id, u.handle, u.display_name from visible_users(@viewer_id::bigint) u where u.id = @other_id::bigint
    union
    select u.id, u.handle, u.display_name from blocks b join users u on u.id = b.blocked_id
    where b.blocker_id = @viewer_id::bigint and b.blocked_id = @other_id::bigint and u.deleted_at is null and u.banned_at is null
), del as (
    delete from blocks d using target t where d.blocker_id = @viewer_id::bigint and d.blocked_id = t.id
)
select id, handle, display_name from target;

-- name: ListBlocks :many
-- concealment: exempt the list of whom the viewer has blocked names them
select u.id, u.handle, u.display_name
from blocks b join users u on u.id = b.blocked_id and u.deleted_at is null and u.banned_at is null
where b.blocker_id = @viewer_id::bigint and b.blocked_id < @before_id::bigint
order by b.blocked_id desc
limit @page_size::int;
