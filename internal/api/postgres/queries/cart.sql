-- name: SetCartItem :one
-- No row: there is no such product. stored is false where the cart is full.
with target as (
    select p.id, p.name, p.unit, p.price, p.available from products p where p.id = @product_id::bigint and p.archived_at is null
), ins as (
    insert into cart_items (user_id, product_id, quantity)
    select @viewer_id::bigint, t.id, @quantity from target t
    where (select count(*) from cart_items c where c.user_id = @viewer_id::bigint and c.product_id <> t.id) < @at_most::bigint
    on conflict (user_id, product_id) do update set quantity = excluded.quantity, updated_at = now()
    returning quantity
)
select t.id, t.name, t.unit, t.price, t.available, exists (select 1 from ins) as stored from target t;

-- name: RemoveCartItem :exec
delete from cart_items where user_id = @viewer_id and product_id = @product_id;

-- name: ClearCart :exec
delete from cart_items where user_id = @viewer_id;

-- name: ListCart :many
-- By farm; bounded by what a cart holds. Products that are no longer sold stay until their owner takes them out.
select c.quantity, p.id, p.name, p.unit, p.price, p.currency, p.available, (p.archived_at is not null)::bool as archived,
       f.id as farm_id, f.name as farm_name
from cart_items c join products p on p.id = c.product_id join farms f on f.id = p.farm_id
where c.user_id = @viewer_id::bigint
order by f.id, p.id;

-- name: TakeCart :many
-- Empties the cart of what it has of one farm, in the transaction that orders it.
delete from cart_items c using products p
where c.user_id = @viewer_id and p.id = c.product_id and p.farm_id = @farm_id
returning c.product_id, c.quantity;
