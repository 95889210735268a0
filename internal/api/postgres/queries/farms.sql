-- name: CreateFarm :one
-- No row: the account is gone.
with me as (
    select u.id from visible_users(@viewer_id::bigint) u where u.id = @viewer_id::bigint
), farm as (
    insert into farms (name, description, currency) select @name, @description, @currency from me
    returning id, name, description, currency, created_at
), owner as (
    insert into farm_members (farm_id, user_id, role) select farm.id, me.id, 'owner' from farm cross join me
)
select id, name, description, currency, created_at from farm;

-- name: FarmByID :one
select id, name, description, currency, created_at from farms where id = @id;

-- name: UpdateFarm :one
update farms set name = coalesce(sqlc.narg('name'), name), description = coalesce(sqlc.narg('description'), description)
where id = @id
returning id, name, description, currency, created_at;

-- name: FarmForMember :one
-- What somebody is to a farm: empty for a stranger. No row: there is no such farm.
select f.id, coalesce(m.role, '')::text as role
from farms f left join farm_members m on m.farm_id = f.id and m.user_id = @viewer_id
where f.id = @id;

-- name: ListMyFarms :many
select f.id, f.name, f.description, f.currency, f.created_at, m.role
from farm_members m join farms f on f.id = m.farm_id
where m.user_id = @viewer_id::bigint and m.farm_id < @before_id::bigint
order by m.farm_id desc
limit @page_size::int;

-- name: CountOwnedFarms :one
select count(*) from farm_members where user_id = @viewer_id and role = 'owner';

-- name: ListFarmMembers :many
-- concealment: exempt who can act for a farm is known to everybody who can; a block can't hide a member from the owner
select u.id, u.handle, u.display_name, m.role, m.created_at
from farm_members m join users u on u.id = m.user_id and u.deleted_at is null and u.banned_at is null
where m.farm_id = @farm_id::bigint and m.user_id < @before_id::bigint
order by m.user_id desc
limit @page_size::int;

-- name: LockFarm :one
-- Changes of a farm's members take turns.
select id from farms where id = @id for no key update;

-- name: CountFarmMembers :one
-- How many a farm has beside one of them, and how many of those own it and can act.
-- concealment: exempt counts who can act for the farm, whoever asks
select count(*) as members,
       count(*) filter (where m.role = 'owner' and u.deleted_at is null and u.banned_at is null) as owners
from farm_members m join users u on u.id = m.user_id
where m.farm_id = @farm_id and m.user_id <> @beside_id::bigint;

-- name: SetFarmMember :one
-- No row: the viewer sees nobody with that id, and they are no member.
-- concealment: exempt a member stays known to the owners
with target as (
    select u.id, u.handle, u.display_name from visible_users(@viewer_id::bigint) u where u.id = @user_id::bigint
    union
    select u.id, u.handle, u.display_name from farm_members m join users u on u.id = m.user_id
    where m.farm_id = @farm_id and m.user_id = @user_id::bigint and u.deleted_at is null and u.banned_at is null
), ins as (
    insert into farm_members (farm_id, user_id, role) select @farm_id, t.id, @role from target t
    on conflict (farm_id, user_id) do update set role = excluded.role
    returning role, created_at
)
select t.id, t.handle, t.display_name, ins.role, ins.created_at from target t cross join ins;

-- name: RemoveFarmMember :one
-- What they were. No row: nothing.
delete from farm_members where farm_id = @farm_id and user_id = @user_id returning role;
