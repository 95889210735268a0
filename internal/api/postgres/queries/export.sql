-- name: ClaimExport :one
-- One export at a time of an account, on all servers; a lease, because a server may die with it. No row: another one runs, or
-- the account is gone.
update users set export_until = now() + make_interval(secs => @lease_seconds::float8)
where id = @id and deleted_at is null and (export_until is null or export_until < now())
returning handle;

-- name: ReleaseExport :exec
update users set export_until = null where id = @id;

-- name: ExportAccount :one
-- concealment: exempt the account reads its own row
select u.id, u.handle, u.display_name, u.bio, u.email, u.email_verified_at, u.role, u.created_at from users u where u.id = @id and u.deleted_at is null;

-- name: ExportPosts :many
-- Also the deleted ones that are still there.
-- concealment: exempt the account reads what it wrote
select p.id, p.body, p.created_at, p.edited_at, p.deleted_at from posts p
where p.author_id = @id and p.id > @after_id
order by p.id limit @page_size::int;

-- name: ExportComments :many
-- In the order of the index, by post.
-- concealment: exempt the account reads what it wrote, wherever that was
select c.id, c.post_id, c.body, c.created_at, c.deleted_at from comments c
where c.author_id = @id and c.post_id >= @after_post and (c.post_id, c.id) > (@after_post, @after_id::bigint)
order by c.post_id, c.id limit @page_size::int;

-- name: ExportLikes :many
-- concealment: exempt the account reads what it liked, wherever that was
select l.post_id, l.created_at from likes l
where l.user_id = @id and l.post_id > @after_id
order by l.post_id limit @page_size::int;

-- name: ExportFollows :many
select f.followee_id, u.handle, f.created_at
from visible_follows(@id::bigint) f join visible_users(@id) u on u.id = f.followee_id
where f.follower_id = @id and f.followee_id > @after_id::bigint
order by f.followee_id limit @page_size::int;

-- name: ExportBlocks :many
-- Whom the account blocks; who is gone has no handle.
-- concealment: exempt the list of whom the account has blocked names them
select b.blocked_id, coalesce(u.handle, '')::text as handle, b.created_at
from blocks b left join users u on u.id = b.blocked_id and u.deleted_at is null and u.banned_at is null
where b.blocker_id = @id and b.blocked_id > @after_id
order by b.blocked_id limit @page_size::int;

-- name: ExportNotifications :many
select n.id, n.kind, coalesce(u.id, 0)::bigint as actor_id, coalesce(u.handle, '')::text as handle, n.post_id, n.comment_id,
       n.order_id, n.order_status, n.created_at,
       (n.id <= coalesce((select s.last_seen_id from notification_state s where s.user_id = @id::bigint), 0))::bool as seen
from visible_notifications(@id) n left join visible_users(@id) u on u.id = n.actor_id
where n.id > @after_id::bigint and (n.actor_id is null or u.id is not null)
order by n.id limit @page_size::int;

-- name: ExportSessions :many
select s.id, s.user_agent, s.created_at, s.last_used_at, s.expires_at, s.revoked_at, s.revoked_reason from sessions s
where s.user_id = @id and s.id > @after_id
order by s.id limit @page_size::int;

-- name: ExportReports :many
-- Without the snapshot, which is somebody else's text, and without what became of it.
select r.id, r.target_kind, r.target_id, r.reason, r.note, r.created_at from reports r
where r.reporter_id = @id::bigint and r.id > @after_id
order by r.id limit @page_size::int;

-- name: ExportFarms :many
select m.farm_id, f.name, m.role, m.created_at from farm_members m join farms f on f.id = m.farm_id
where m.user_id = @id and m.farm_id > @after_id
order by m.farm_id limit @page_size::int;

-- name: ExportCart :many
select c.product_id, p.name, c.quantity, c.updated_at from cart_items c join products p on p.id = c.product_id
where c.user_id = @id and c.product_id > @after_id
order by c.product_id limit @page_size::int;

-- name: ExportOrders :many
-- With their lines: an array of name, unit, price and quantity as they were ordered.
select o.id, o.farm_id, f.name as farm, o.status, o.currency, o.total, o.note, o.created_at, o.updated_at,
       (select jsonb_agg(jsonb_build_object('name', l.name, 'unit', l.unit, 'price', l.price, 'quantity', l.quantity) order by l.product_id)
        from order_lines l where l.order_id = o.id)::jsonb as items
from orders o join farms f on f.id = o.farm_id
where o.buyer_id = @id::bigint and o.id > @after_id
order by o.id limit @page_size::int;

-- name: ExportPictures :many
-- Their own, whatever became of them, with what they are attached to.
select m.id, m.purpose, m.content_type, m.bytes, m.created_at, coalesce(b.code, '')::text as code,
       (case when m.expired_at is not null then 'failed' else coalesce(b.state, 'awaiting') end)::text as state,
       coalesce(p.post_id, 0)::bigint as post_id, coalesce(x.product_id, 0)::bigint as product_id,
       case when b.state = 'ready' then jsonb_build_object('id', m.id, 'key', b.key, 'sizes', b.sizes) end::jsonb as picture
from media m left join media_blobs b on b.id = m.blob_id
     left join post_media p on p.media_id = m.id left join product_media x on x.media_id = m.id
where m.owner_id = @id::bigint and m.id > @after_id
order by m.id limit @page_size::int;
