-- name: CreateUser :one
with u as (
    insert into users (handle, display_name, password_hash)
    values (@handle, @display_name, @password_hash)
    returning id, handle, display_name, created_at
), event as (
    insert into app_events (kind, payload, trace_id)
    select 'user_signup', jsonb_build_object('user_id', u.id, 'handle', u.handle), @trace_id from u
)
select id, handle, display_name, created_at from u;

-- name: UserCredentials :one
-- Somebody who is deleted is found for as long as they can come back.
-- concealment: exempt logging in has no viewer yet
select id, handle, display_name, password_hash, banned_at, purge_at
from users
where lower(handle) = lower(@handle::text) and (deleted_at is null or purge_at > now() and purge_started_at is null);

-- name: ExtendStatement :exec
-- How long each further statement of the transaction may take, in milliseconds: some have as much to write as somebody has
-- ever liked.
select set_config('statement_timeout', @milliseconds::text, true);

-- name: DeleteAccount :one
-- No row: the account is gone, banned, or has another password by now. Counters let go of it in the same statement: 0.55 s
-- for 100,000 likes.
with u as (
    update users x set deleted_at = now(), purge_at = now() + make_interval(secs => @grace_seconds::float8)
    where x.id = @id and x.password_hash = @password_hash and x.deleted_at is null and x.banned_at is null
    returning x.id, x.purge_at
), event as (
    insert into app_events (kind, payload, trace_id)
    select 'user_deleted', jsonb_build_object('user_id', u.id), @trace_id from u
)
select purge_at::timestamptz as purge_at from u;

-- name: RestoreAccount :one
-- Whether the account was there to be restored. One whose purge has begun is not: it sees that, whichever came first.
with u as (
    update users x set deleted_at = null, purge_at = null
    where x.id = @id and x.password_hash = @password_hash and x.banned_at is null
      and x.purge_at > now() and x.purge_started_at is null
    returning x.id
), event as (
    insert into app_events (kind, payload, trace_id)
    select 'user_restored', jsonb_build_object('user_id', u.id), @trace_id from u
)
select exists (select 1 from u)::boolean as restored;
