-- name: HasUsers :one
-- concealment: exempt no viewer: whether the database is empty
select exists (select 1 from users);

-- name: SeedUsers :many
insert into users (handle, display_name, password_hash)
select unnest(@handles::text[]), unnest(@display_names::text[]), @password_hash::text
returning id;

-- name: SeedFollows :exec
insert into follows (follower_id, followee_id)
select unnest(@followers::bigint[]), unnest(@followees::bigint[])
on conflict do nothing;

-- name: SeedPosts :exec
insert into posts (author_id, body, created_at)
select unnest(@authors::bigint[]), unnest(@bodies::text[]), now() - make_interval(mins => unnest(@minutes_ago::int[]));

-- name: SeedFarms :many
insert into farms (name) select unnest(@names::text[]) returning id;

-- name: SeedProducts :exec
insert into products (farm_id, name, description, category, price, unit, available)
select unnest(@farms::bigint[]), unnest(@names::text[]), unnest(@descriptions::text[]), unnest(@categories::text[]),
       unnest(@prices::bigint[]), unnest(@units::text[]), unnest(@stock::bigint[]);
