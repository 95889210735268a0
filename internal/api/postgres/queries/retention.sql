-- name: ExpireNotifications :execrows
-- Ids are given in the order of time, so what is old stands at the head of the primary key, and the time needs no index.
-- concealment: exempt what is old goes whoever may see it
delete from notifications d
using (select now() - make_interval(secs => @keep_seconds::float8) as before) t
cross join (select n.id, n.created_at from notifications n order by n.id limit @batch) h
where d.id = h.id and h.created_at < t.before;

-- name: ExpiredPosts :many
-- concealment: exempt what was deleted goes whoever could see it
select p.id from posts p where p.deleted_at < now() - make_interval(secs => @keep_seconds::float8)
order by p.deleted_at limit @at_most;

-- name: ExpireComments :execrows
-- concealment: exempt what was deleted goes whoever could see it
delete from comments d using (
    select c.id from comments c where c.deleted_at < now() - make_interval(secs => @keep_seconds::float8) order by c.deleted_at limit @batch
) x
where d.id = x.id;

-- name: ExpireSessions :execrows
-- Those that ran out at once, those that were ended after a while.
delete from sessions d using (
    (select s.id from sessions s where s.revoked_at < now() - make_interval(secs => @keep_seconds::float8) order by s.revoked_at limit @batch)
    union
    (select s.id from sessions s where s.expires_at < now() order by s.expires_at limit @batch)
) x
where d.id = x.id;

-- name: ExpireRevocations :execrows
delete from revocations d using (
    select r.seq from revocations r where r.expires_at < now() - make_interval(secs => @keep_seconds::float8) order by r.expires_at limit @batch
) x
where d.seq = x.seq;

-- name: ExpireReplicas :execrows
delete from replicas d using (
    select r.id from replicas r where r.applied_at < now() - make_interval(secs => @keep_seconds::float8) limit @batch
) x
where d.id = x.id;

-- name: ExpireEvents :execrows
delete from app_events d using (
    select e.id from app_events e where e.emitted_at < now() - make_interval(secs => @keep_seconds::float8) order by e.emitted_at limit @batch
) x
where d.id = x.id;

-- name: ExpireConfirmations :execrows
delete from confirmations d using (
    select c.id from confirmations c where c.created_at < now() - make_interval(secs => @keep_seconds::float8) order by c.created_at limit @batch
) x
where d.id = x.id;

-- name: ExpireReports :execrows
-- There are some thousands of them at most: reading them all is cheap.
delete from reports d using (
    select r.id from reports r where r.resolved_at < now() - make_interval(secs => @keep_seconds::float8) limit @batch
) x
where d.id = x.id;

-- name: ExpireKeys :execrows
delete from idempotency_keys d using (
    select k.account_id, k.key from idempotency_keys k
    where k.created_at < now() - make_interval(secs => @keep_seconds::float8) order by k.created_at limit @batch
) x
where d.account_id = x.account_id and d.key = x.key;

-- name: ExpireBusts :execrows
-- Numbers are given in the order of time, so what is old stands at the head of the primary key, and the time needs no index.
delete from cache_busts d
using (select now() - make_interval(secs => @keep_seconds::float8) as before) t
cross join (select b.seq, b.created_at from cache_busts b order by b.seq limit @batch) h
where d.seq = h.seq and h.created_at < t.before;
