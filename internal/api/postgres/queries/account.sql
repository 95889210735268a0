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
-- concealment: exempt logging in has no viewer yet
select id, handle, display_name, password_hash, banned_at
from users
where lower(handle) = lower(@handle::text) and deleted_at is null;
