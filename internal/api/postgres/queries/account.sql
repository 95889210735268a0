-- name: CreateUser :one
insert into users (handle, display_name, password_hash)
values (@handle, @display_name, @password_hash)
returning id, handle, display_name, created_at;

-- name: UserCredentials :one
-- concealment: exempt logging in has no viewer yet
select id, handle, display_name, password_hash, banned_at
from users
where lower(handle) = lower(@handle::text) and deleted_at is null;
