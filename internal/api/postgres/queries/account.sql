-- name: CreateUser :one
insert into users (handle, display_name, password_hash)
values (@handle, @display_name, @password_hash)
returning id, handle, display_name, created_at;

-- name: UserCredentials :one
select id, handle, display_name, password_hash
from users
where lower(handle) = lower(@handle::text) and deleted_at is null;

-- name: UserProfile :one
select u.id, u.handle, u.display_name, u.created_at,
       (select count(*) from posts p where p.author_id = u.id and p.deleted_at is null) as post_count,
       (select count(*) from follows f where f.followee_id = u.id) as follower_count,
       (select count(*) from follows f where f.follower_id = u.id) as following_count
from users u
where u.id = @id and u.deleted_at is null;
