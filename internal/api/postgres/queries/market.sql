-- name: ListProducts :many
-- The page is cut before the farms are joined. Each of the four lists has the index it walks; what else is asked for filters.
with page as materialized (
    select p.id, p.farm_id, p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, p.created_at
    from products p
    where p.archived_at is null and p.id < @before_id::bigint
      and p.price between @min_price::bigint and @max_price::bigint and p.available >= @min_available::bigint
    order by p.id desc
    limit @page_size::int offset @skip::int
)
select page.id, page.name, page.description, page.category, page.price, page.currency, page.unit, page.available, page.created_at,
       f.id as farm_id, f.name as farm_name,
       (select jsonb_agg(x.picture order by x.position) from product_pictures x where x.product_id = page.id) as pictures
from page join farms f on f.id = page.farm_id
order by page.id desc;

-- name: ListProductsInCategory :many
with page as materialized (
    select p.id, p.farm_id, p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, p.created_at
    from products p
    where p.archived_at is null and p.category = @category::text and p.id < @before_id::bigint
      and p.price between @min_price::bigint and @max_price::bigint and p.available >= @min_available::bigint
    order by p.id desc
    limit @page_size::int offset @skip::int
)
select page.id, page.name, page.description, page.category, page.price, page.currency, page.unit, page.available, page.created_at,
       f.id as farm_id, f.name as farm_name,
       (select jsonb_agg(x.picture order by x.position) from product_pictures x where x.product_id = page.id) as pictures
from page join farms f on f.id = page.farm_id
order by page.id desc;

-- name: ListProductsOfFarm :many
with page as materialized (
    select p.id, p.farm_id, p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, p.created_at
    from products p
    where p.archived_at is null and p.farm_id = @farm_id::bigint and p.id < @before_id::bigint
      and (@category::text = '' or p.category = @category::text)
      and p.price between @min_price::bigint and @max_price::bigint and p.available >= @min_available::bigint
    order by p.id desc
    limit @page_size::int offset @skip::int
)
select page.id, page.name, page.description, page.category, page.price, page.currency, page.unit, page.available, page.created_at,
       f.id as farm_id, f.name as farm_name,
       (select jsonb_agg(x.picture order by x.position) from product_pictures x where x.product_id = page.id) as pictures
from page join farms f on f.id = page.farm_id
order by page.id desc;

-- name: ListProductsMatching :many
with page as materialized (
    select p.id, p.farm_id, p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, p.created_at
    from products p
    where p.archived_at is null and to_tsvector('simple', p.name || ' ' || p.description) @@ to_tsquery('simple', @words::text)
      and p.id < @before_id::bigint
      and (@farm_id::bigint = 0 or p.farm_id = @farm_id::bigint) and (@category::text = '' or p.category = @category::text)
      and p.price between @min_price::bigint and @max_price::bigint and p.available >= @min_available::bigint
    order by p.id desc
    limit @page_size::int offset @skip::int
)
select page.id, page.name, page.description, page.category, page.price, page.currency, page.unit, page.available, page.created_at,
       f.id as farm_id, f.name as farm_name,
       (select jsonb_agg(x.picture order by x.position) from product_pictures x where x.product_id = page.id) as pictures
from page join farms f on f.id = page.farm_id
order by page.id desc;

-- name: CountProducts :one
select count(*) from products p
where p.archived_at is null
  and p.price between @min_price::bigint and @max_price::bigint and p.available >= @min_available::bigint;

-- name: CountProductsInCategory :one
select count(*) from products p
where p.archived_at is null and p.category = @category::text
  and p.price between @min_price::bigint and @max_price::bigint and p.available >= @min_available::bigint;

-- name: CountProductsOfFarm :one
select count(*) from products p
where p.archived_at is null and p.farm_id = @farm_id::bigint
  and (@category::text = '' or p.category = @category::text)
  and p.price between @min_price::bigint and @max_price::bigint and p.available >= @min_available::bigint;

-- name: CountProductsMatching :one
select count(*) from products p
where p.archived_at is null and to_tsvector('simple', p.name || ' ' || p.description) @@ to_tsquery('simple', @words::text)
  and (@farm_id::bigint = 0 or p.farm_id = @farm_id::bigint) and (@category::text = '' or p.category = @category::text)
  and p.price between @min_price::bigint and @max_price::bigint and p.available >= @min_available::bigint;

-- name: ProductByID :one
select p.id, p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, p.created_at,
       f.id as farm_id, f.name as farm_name,
       (select jsonb_agg(x.picture order by x.position) from product_pictures x where x.product_id = p.id) as pictures
from products p join farms f on f.id = p.farm_id
where p.id = @id and p.archived_at is null;

-- name: ProductForMember :one
-- What somebody is to the farm of a product: empty for a stranger. No row: there is no such product.
select p.farm_id, coalesce(m.role, '')::text as role
from products p left join farm_members m on m.farm_id = p.farm_id and m.user_id = @viewer_id
where p.id = @id and p.archived_at is null;

-- name: CreateProduct :one
insert into products (farm_id, name, description, category, price, currency, unit, available)
select f.id, @name, @description, @category, @price, f.currency, @unit, @available from farms f where f.id = @farm_id
returning id;

-- name: UpdateProduct :execrows
update products
set name = coalesce(sqlc.narg('name'), name), description = coalesce(sqlc.narg('description'), description),
    category = coalesce(sqlc.narg('category'), category), price = coalesce(sqlc.narg('price'), price),
    unit = coalesce(sqlc.narg('unit'), unit)
where id = @id and archived_at is null;

-- name: ArchiveProduct :execrows
update products set archived_at = now() where id = @id and archived_at is null;

-- name: SetStock :execrows
-- Only over the stock that was seen: a sale in between is not undone.
update products set available = @available where id = @id and archived_at is null and available = @expected;

-- name: AdjustStock :execrows
-- No row: there is no such product, or the sum is outside of what it can be.
update products set available = available + @change::bigint
where id = @id and archived_at is null and available + @change::bigint between 0 and @at_most::bigint;

-- name: LockProduct :one
-- One change of a product's pictures at a time.
select id from products where id = @id and archived_at is null for no key update;

-- name: UsableForProduct :many
-- Which of some pictures a member may give to a product: their own that are attached to nothing, and those that it has.
select m.id, (a.product_id is not null)::bool as has_it
from media m join media_blobs b on b.id = m.blob_id left join product_media a on a.media_id = m.id
where m.id = any(@ids::bigint[]) and m.purpose = 'product' and b.state in ('processing', 'ready')
  and (a.product_id = @product_id::bigint or a.product_id is null and m.owner_id = @viewer_id::bigint);

-- name: ClearProductPictures :exec
delete from product_media where product_id = @product_id::bigint;

-- name: AttachProductPictures :exec
-- In this order. Those that are new to the product are told.
with attached as (
    insert into product_media (product_id, position, media_id)
    select @product_id::bigint, w.position, w.id from unnest(@media_ids::bigint[]) with ordinality w (id, position)
)
insert into app_events (kind, payload, trace_id)
select 'media_attached', jsonb_build_object('media_id', n.id, 'owner_id', @viewer_id::bigint, 'target', 'product', 'target_id', @product_id::bigint), @trace_id
from unnest(@fresh::bigint[]) n (id);
