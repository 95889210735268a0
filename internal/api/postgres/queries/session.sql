-- name: CreateSession :one
-- No row: the account is gone, banned, or has another password by now. The lock makes a change of the password wait for a
-- login that has begun with the old one, so that the change sees its session and revokes it; and it makes the logins of one
-- account take turns, so that each counts the sessions of those before.
-- concealment: exempt the account itself logs in
with u as (
    select x.id from users x
    where x.id = @user_id and x.password_hash = @password_hash and x.deleted_at is null and x.banned_at is null
    for no key update
)
insert into sessions (user_id, hmac_key, user_agent, expires_at)
select u.id, @hmac_key::bytea, @user_agent::text, now() + make_interval(secs => @ttl_seconds::float8) from u
returning sessions.id;

-- name: EndSurplusSessions :many
-- All live sessions of a user but the newest and those used last, at_most in all. It follows CreateSession in the transaction as a
-- statement of its own: what others have committed while that waited for the lock, only this one sees.
with surplus as (
    select x.id from sessions x
    where x.user_id = @user_id and x.revoked_at is null and x.expires_at > now()
    order by (x.id = @newest::bigint) desc, x.last_used_at desc, x.id desc
    offset @at_most::int
), s as (
    update sessions w set revoked_at = now(), revoked_reason = @reason::text
    from surplus where w.id = surplus.id and w.revoked_at is null
    returning w.id, w.last_used_at
), r as (
    insert into revocations (kind, subject, expires_at)
    select 'session', s.id, now() + make_interval(secs => @token_seconds::float8) from s
    where s.last_used_at > now() - make_interval(secs => @token_seconds::float8)
)
select id from s;

-- name: SessionForRefresh :one
-- concealment: exempt the account itself refreshes
select s.id, s.user_id, s.hmac_key, s.counter, u.handle, u.display_name,
       (s.last_used_at > now() - make_interval(secs => @window_seconds::float8))::boolean as recent
from sessions s join users u on u.id = s.user_id
where s.id = @id and s.revoked_at is null and s.expires_at > now() and u.deleted_at is null and u.banned_at is null;

-- name: AdvanceSession :execrows
-- Only one of several refreshes at once counts up; none does after a revocation.
update sessions
set counter = counter + 1, last_used_at = now(), expires_at = now() + make_interval(secs => @ttl_seconds::float8)
where id = @id and counter = @counter and revoked_at is null and expires_at > now();

-- name: SessionAlive :one
-- concealment: exempt the account behind the token asks
select exists (
    select 1 from sessions s join users u on u.id = s.user_id
    where s.id = @id and s.user_id = @user_id and s.revoked_at is null
      and u.deleted_at is null and u.banned_at is null);

-- name: ListSessions :many
select id, user_agent, created_at, last_used_at, expires_at
from sessions
where user_id = @user_id and revoked_at is null and expires_at > now() and id < @before_id::bigint
order by id desc
limit @page_size::int;

-- name: RevokeSession :one
-- The number of sessions revoked: 0 when it is not the user's, or no longer alive. Every replica learns it by the row in
-- revocations, which commits with it.
with s as (
    update sessions set revoked_at = now(), revoked_reason = @reason::text
    where id = @id and user_id = @user_id and revoked_at is null and expires_at > now()
    returning id
), r as (
    insert into revocations (kind, subject, expires_at)
    select 'session', s.id, now() + make_interval(secs => @token_seconds::float8) from s
)
select count(*) from s;

-- name: RevokeSessions :many
-- All sessions of a user but one; keep_id 0 keeps none. One whose last token has expired needs no row in revocations.
with s as (
    update sessions set revoked_at = now(), revoked_reason = @reason::text
    where user_id = @user_id and id <> @keep_id and revoked_at is null and expires_at > now()
    returning id, last_used_at
), r as (
    insert into revocations (kind, subject, expires_at)
    select 'session', s.id, now() + make_interval(secs => @token_seconds::float8) from s
    where s.last_used_at > now() - make_interval(secs => @token_seconds::float8)
)
select id from s;

-- name: RevokeUser :exec
-- Every token that the user has, also of a session that has run out. A session that is opened later has a higher number than
-- any that is there, because opening one waits for the lock that the caller holds on the account.
insert into revocations (kind, subject, upto_session, expires_at)
select 'user', @user_id, coalesce(max(id), 0), now() + make_interval(secs => @token_seconds::float8) from sessions;

-- name: UnseenChanges :many
-- Revocations and cache busts that a snapshot had not seen, with the snapshot of this read. A row without a kind says that
-- there is nothing. Unlike a position in seq this misses no transaction that was slow to commit, and unlike a wait for the oldest one
-- (xid below pg_snapshot_xmin) it isn't held up by a long transaction of somebody else. Whoever begins has nothing to forget,
-- so no bust is news to the snapshot before the first transaction.
select now_seen.snapshot::text as snapshot, extract(epoch from now())::float8 as read_at,
       coalesce(r.kind, '')::text as kind, coalesce(r.seq, 0)::bigint as seq, coalesce(r.subject, 0)::bigint as subject,
       r.upto_session, r.tags, coalesce(extract(epoch from r.expires_at - now()), 0)::float8 as remaining_seconds,
       coalesce(extract(epoch from clock_timestamp() - r.created_at), 0)::float8 as lag_seconds
from (select pg_current_snapshot() as snapshot) now_seen
left join (
    select v.xid, v.seq, v.kind, v.subject, v.upto_session, null::text[] as tags, v.created_at, v.expires_at
    from revocations v where v.expires_at > now()
    union all
    select b.xid, b.seq, 'cache', 0, null, b.tags, b.created_at, b.created_at
    from cache_busts b where @seen::text <> '1:1:'
) r on r.xid >= pg_snapshot_xmin((@seen::text)::pg_snapshot)
   and not pg_visible_in_snapshot(r.xid, (@seen::text)::pg_snapshot);

-- name: BustedSince :one
-- Whether something with one of these tags has changed that a snapshot had not seen.
select exists (
    select 1 from cache_busts b
    where b.xid >= pg_snapshot_xmin((@seen::text)::pg_snapshot) and not pg_visible_in_snapshot(b.xid, (@seen::text)::pg_snapshot)
      and (b.tags && @tags::text[] or b.tags @> array['*']));

-- name: BeatReplica :exec
insert into replicas (id, applied_seq, applied, applied_at)
values (@id, @applied_seq, (@applied::text)::pg_snapshot, now())
on conflict (id) do update
set applied_seq = excluded.applied_seq, applied = excluded.applied, applied_at = excluded.applied_at;

-- name: ForgetReplica :exec
delete from replicas where id = @id;

-- name: ReplicaStatus :many
-- Every replica with the live revocations that it has not applied.
select p.id, p.applied_seq, p.started_at, p.applied_at,
       extract(epoch from now() - p.applied_at)::float8 as silent_seconds,
       count(r.seq) as backlog,
       coalesce(extract(epoch from now() - min(r.created_at)), 0)::float8 as behind_seconds
from replicas p
left join revocations r on r.expires_at > now() and not pg_visible_in_snapshot(r.xid, p.applied)
group by p.id
order by p.started_at, p.id;

-- name: RevocationTotals :one
select count(*) as live, coalesce(max(seq), 0)::bigint as newest_seq from revocations where expires_at > now();

-- name: PasswordOf :one
-- concealment: exempt the account changes its own password
select password_hash from users where id = @id and deleted_at is null;

-- name: SetPassword :execrows
update users set password_hash = @new_hash where id = @id and password_hash = @old_hash and deleted_at is null;

-- name: UserByHandle :one
-- concealment: exempt an operator looks an account up
select id, handle, role, banned_at, deleted_at, purge_at from users where lower(handle) = lower(@handle::text);

-- name: SetBanned :execrows
-- A deleted account too, or it would come back without its ban. One that is purged but for its ban has nothing else to stay
-- for: lifting that makes the rest due.
update users
set banned_at = case when @banned::boolean then now() end,
    purge_at = case when deleted_at is not null and purge_at is null and not @banned::boolean then now() else purge_at end
where id = @id and (banned_at is null) = @banned::boolean;

-- name: ListenRevocations :exec
-- The trigger on revocations notifies; a poll covers a notification that got lost.
listen revocations;
