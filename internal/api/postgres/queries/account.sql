-- name: CreateUser :one
with u as (
    insert into users (handle, display_name, password_hash, email, email_verified_at)
    values (@handle, @display_name, @password_hash, sqlc.narg('email')::text, case when sqlc.narg('email')::text is not null then now() end)
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

-- name: HandleTaken :one
-- Deleted accounts keep theirs until they are purged.
-- concealment: exempt a handle is unique among everybody
select exists (select 1 from users where lower(handle) = lower(@handle::text));

-- name: FreeAddress :exec
-- Who is deleted loses an address that somebody else has just proven to be theirs.
update users set email = null, email_verified_at = null where lower(email) = lower(@email::text) and deleted_at is not null;

-- name: EmailOf :one
-- concealment: exempt the account asks for its own address
select email, email_verified_at from users where id = @id and deleted_at is null;

-- name: SetEmail :one
-- Returns the address that was replaced.
-- concealment: exempt the account changes its own address
with old as (
    select u.id, u.email from users u where u.id = @id and u.deleted_at is null and u.banned_at is null for update
)
update users set email = @email::text, email_verified_at = now()
from old where users.id = old.id
returning old.email as previous, users.email_verified_at;

-- name: ResetPassword :execrows
-- Only while the account has the password and the address that it had when the code was made.
update users set password_hash = @new_hash, email_verified_at = now()
where id = @id and password_hash = @old_hash and lower(email) = lower(@email::text) and deleted_at is null and banned_at is null;
