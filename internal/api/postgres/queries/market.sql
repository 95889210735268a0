-- name: ListProducts :many
select p.id, p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, p.created_at,
       f.id as farm_id, f.name as farm_name
from products p join farms f on f.id = p.farm_id
where p.archived_at is null
order by p.id desc
limit @page_size::int offset @skip::int;

-- name: CountProducts :one
select count(*) from products where archived_at is null;

-- name: ProductByID :one
select p.id, p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, p.created_at,
       f.id as farm_id, f.name as farm_name
from products p join farms f on f.id = p.farm_id
where p.id = @id and p.archived_at is null;
