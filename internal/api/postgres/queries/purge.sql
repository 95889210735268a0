-- name: ClaimPurge :one
-- The account that has been due for longest, but those named. From here on there is no way back for it. One whose purge was
-- begun and not ended is found again: every step can be repeated.
-- concealment: exempt a purge is about people whom nobody sees
with due as (
    select x.id from users x
    where x.purge_at <= now() and x.id <> all(@skip::bigint[])
    order by x.purge_at, x.id limit 1
    for no key update skip locked
)
update users u set purge_started_at = coalesce(u.purge_started_at, now())
from due where u.id = due.id
returning u.id;

-- name: CondemnAccount :execrows
-- Makes an account due at once, deleted or not. None: it is gone, or purged but for its ban.
update users set deleted_at = coalesce(deleted_at, now()), purge_at = now(), purge_started_at = coalesce(purge_started_at, now())
where id = @id and (deleted_at is null or purge_at is not null);

-- name: PurgeBacklog :one
-- Accounts whose time has come, and for how long the oldest has waited.
-- concealment: exempt a purge is about people whom nobody sees
select count(*) as due, coalesce(extract(epoch from now() - min(purge_at)), 0)::float8 as oldest_seconds
from users where purge_at <= now();

-- name: CountAccount :many
-- What a purge of the account would remove, or leave without a name.
-- concealment: exempt an operator looks before a purge
select 'notifications' as what, (select count(*) from notifications n where n.recipient_id = @id::bigint or n.actor_id = @id) as rows
union all select 'likes', (select count(*) from likes l where l.user_id = @id)
union all select 'comments', (select count(*) from comments c where c.author_id = @id)
union all select 'follows', (select count(*) from follows f where f.follower_id = @id or f.followee_id = @id)
union all select 'blocks', (select count(*) from blocks b where b.blocker_id = @id or b.blocked_id = @id)
union all select 'posts', (select count(*) from posts p where p.author_id = @id)
union all select 'comments by others', (select count(*) from comments c join posts p on p.id = c.post_id where p.author_id = @id and c.author_id <> @id)
union all select 'likes by others', (select count(*) from likes l join posts p on p.id = l.post_id where p.author_id = @id and l.user_id <> @id)
union all select 'pictures', (select count(*) from media m where m.owner_id = @id)
union all select 'sessions', (select count(*) from sessions s where s.user_id = @id)
union all select 'reports', (select count(*) from reports r where r.reporter_id = @id or r.subject_id = @id or r.resolved_by = @id)
union all select 'orders', (select count(*) from orders o where o.buyer_id = @id)
union all select 'farms', (select count(*) from farm_members m where m.user_id = @id);

-- name: PurgeInbox :execrows
-- concealment: exempt a purge is about people whom nobody sees
delete from notifications d using (select n.id from notifications n where n.recipient_id = @id limit @batch) x where d.id = x.id;

-- name: PurgeOutbox :execrows
-- concealment: exempt a purge is about people whom nobody sees
delete from notifications d using (select n.id from notifications n where n.actor_id = @id::bigint limit @batch) x where d.id = x.id;

-- name: PurgeSeen :execrows
delete from notification_state where user_id = @id;

-- name: PurgeLikes :execrows
-- The counters let go of them when the account was deleted.
-- concealment: exempt a purge is about people whom nobody sees
delete from likes d using (select l.post_id from likes l where l.user_id = @id limit @batch) x
where d.post_id = x.post_id and d.user_id = @id;

-- name: PurgeComments :execrows
-- The counters let go of them when the account was deleted.
-- concealment: exempt a purge is about people whom nobody sees
delete from comments d using (select c.id from comments c where c.author_id = @id limit @batch) x where d.id = x.id;

-- name: PurgeFollowing :execrows
-- concealment: exempt a purge is about people whom nobody sees
delete from follows d using (select f.followee_id from follows f where f.follower_id = @id limit @batch) x
where d.follower_id = @id and d.followee_id = x.followee_id;

-- name: PurgeFollowers :execrows
-- concealment: exempt a purge is about people whom nobody sees
delete from follows d using (select f.follower_id from follows f where f.followee_id = @id limit @batch) x
where d.followee_id = @id and d.follower_id = x.follower_id;

-- name: PurgeBlocks :execrows
-- A trigger takes the rows of hidden along.
delete from blocks d using (
    (select b.blocker_id, b.blocked_id from blocks b where b.blocker_id = @id limit @batch)
    union all
    (select b.blocker_id, b.blocked_id from blocks b where b.blocked_id = @id limit @batch)
) x
where d.blocker_id = x.blocker_id and d.blocked_id = x.blocked_id;

-- name: PurgeHidden :execrows
-- What no block stands behind any more, if there is any.
delete from hidden d using (
    (select h.viewer_id, h.other_id from hidden h where h.viewer_id = @id limit @batch)
    union all
    (select h.viewer_id, h.other_id from hidden h where h.other_id = @id limit @batch)
) x
where d.viewer_id = x.viewer_id and d.other_id = x.other_id;

-- name: PurgePictures :execrows
-- With what they are attached to. Their bytes are nobody's then, which is for the clean-up of pictures.
delete from media d using (select m.id from media m where m.owner_id = @id limit @batch) x where d.id = x.id;

-- name: PurgeAvatar :execrows
delete from avatars where user_id = @id;

-- name: PurgeBytes :execrows
update media_blobs b set owner_id = null from (select m.id from media_blobs m where m.owner_id = @id::bigint limit @batch) x where b.id = x.id;

-- name: PurgeSessions :execrows
delete from sessions d using (select s.id from sessions s where s.user_id = @id limit @batch) x where d.id = x.id;

-- name: PurgeAddresses :execrows
-- Confirmations of addresses, and their codes with them.
delete from confirmations d using (select c.id from confirmations c where c.user_id = @id::bigint limit @batch) x where d.id = x.id;

-- name: PurgeStats :execrows
delete from user_stats where user_id = @id;

-- name: PurgeReporter :execrows
-- A report outlives its reporter, without a name.
update reports d set reporter_id = null from (select r.id from reports r where r.reporter_id = @id::bigint limit @batch) x where d.id = x.id;

-- name: PurgeResolver :execrows
-- Who decided stands in the moderation log as a number.
update reports d set resolved_by = null from (select r.id from reports r where r.resolved_by = @id::bigint limit @batch) x where d.id = x.id;

-- name: PurgeReported :execrows
-- Whom a report is about stays with a ban, and goes without one.
-- concealment: exempt a purge is about people whom nobody sees
update reports d set subject_id = null
from (select r.id from reports r join users u on u.id = r.subject_id and u.banned_at is null where r.subject_id = @id::bigint limit @batch) x
where d.id = x.id;

-- name: PostsToPurge :many
-- concealment: exempt a purge is about people whom nobody sees
select p.id from posts p where p.author_id = @id order by p.id desc limit @at_most;

-- name: DeletePostNotifications :execrows
-- concealment: exempt what goes with a post that goes
delete from notifications d using (select n.id from notifications n where n.post_id = any(@posts::bigint[]) limit @batch) x
where d.id = x.id;

-- name: DeletePostLikes :one
-- The counter follows, so that nothing contradicts it in between.
-- concealment: exempt what goes with a post that goes
with del as (
    delete from likes d using (select l.post_id, l.user_id from likes l where l.post_id = any(@posts::bigint[]) limit @batch) x
    where d.post_id = x.post_id and d.user_id = x.user_id
    returning d.post_id, d.user_id
), stat as (
    update post_stats s set like_count = greatest(0, s.like_count - n.count)
    from (select del.post_id, count(*) as count from del
          join users u on u.id = del.user_id and u.deleted_at is null and u.banned_at is null group by del.post_id) n
    where s.post_id = n.post_id
)
select count(*) from del;

-- name: DeletePostComments :one
-- The counter follows, so that nothing contradicts it in between.
-- concealment: exempt what goes with a post that goes
with del as (
    delete from comments d using (select c.id from comments c where c.post_id = any(@posts::bigint[]) limit @batch) x
    where d.id = x.id
    returning d.post_id, d.author_id, d.deleted_at
), stat as (
    update post_stats s set comment_count = greatest(0, s.comment_count - n.count)
    from (select del.post_id, count(*) as count from del
          join users u on u.id = del.author_id and u.deleted_at is null and u.banned_at is null
          where del.deleted_at is null group by del.post_id) n
    where s.post_id = n.post_id
)
select count(*) from del;

-- name: DeletePostStats :execrows
-- Before the posts, as whoever likes one locks them.
delete from post_stats where post_id = any(@posts::bigint[]);

-- name: DeletePosts :execrows
delete from posts where id = any(@posts::bigint[]);

-- name: EndPurge :one
-- The account itself. One that is banned stays as a handle with its ban, or the ban would end with it; whoever lifts the ban
-- makes it due again. Neither: it was banned a moment ago, or is gone.
with kept as (
    update users k set display_name = 'Deleted account', bio = '', password_hash = '', role = 'member', email = null, email_verified_at = null, purge_at = null,
        purge_started_at = null, export_until = null
    where k.id = @id and k.purge_started_at is not null and k.banned_at is not null
    returning k.id
), dropped as (
    delete from users g where g.id = @id and g.purge_started_at is not null and g.banned_at is null
    returning g.id
), event as (
    insert into app_events (kind, payload, trace_id)
    select 'user_purged', jsonb_build_object('user_id', e.id), @trace_id from (select id from kept union all select id from dropped) e
)
select exists (select 1 from kept)::boolean as kept, exists (select 1 from dropped)::boolean as dropped;

-- name: PurgeBuyer :execrows
-- An order is the farm's record too. It stays without its buyer, and without what they wrote.
update orders d set buyer_id = null, note = ''
from (select o.id from orders o where o.buyer_id = @id::bigint limit @batch) x where d.id = x.id;

-- name: PurgeOrderSteps :execrows
update order_events d set actor_id = null, reason = ''
from (select e.id from order_events e where e.actor_id = @id::bigint limit @batch) x where d.id = x.id;

-- name: PurgeMemberships :execrows
-- The farm stays, and what it sells.
delete from farm_members d using (select m.farm_id from farm_members m where m.user_id = @id limit @batch) x
where d.farm_id = x.farm_id and d.user_id = @id;

-- name: PurgeCart :execrows
delete from cart_items d using (select c.product_id from cart_items c where c.user_id = @id limit @batch) x
where d.product_id = x.product_id and d.user_id = @id;

-- name: PurgeKeys :execrows
delete from idempotency_keys d using (select k.key from idempotency_keys k where k.account_id = @id limit @batch) x
where d.key = x.key and d.account_id = @id;
