-- name: WaitAtMost :exec
-- For a lock, for the rest of the transaction; a statement gets a second more, or its own limit would end the wait first.
select set_config('lock_timeout', most.ms || 'ms', true), set_config('statement_timeout', most.ms + 1000 || 'ms', true)
from (select @milliseconds::bigint as ms) most;

-- name: OpenOrder :one
-- Takes the key. No row: it is taken, the farm does not exist or the account is gone. Of two with one key the second waits for
-- the first's transaction.
insert into orders (buyer_id, farm_id, status, currency, total, note, idempotency_key, request_hash)
select me.id, f.id, 'placed', f.currency, 0, @note, @idempotency_key, @request_hash
from visible_users(@viewer_id::bigint) me join farms f on f.id = @farm_id
where me.id = @viewer_id::bigint
on conflict (buyer_id, idempotency_key) do nothing
returning id, currency;

-- name: OrderByKey :one
select id, request_hash from orders where buyer_id = @viewer_id::bigint and idempotency_key = @idempotency_key;

-- name: TakeStock :many
-- A row for each product that there was enough of. The rows are locked in the order of their ids, each before it is written, so
-- that two orders of the same products take turns instead of waiting for each other.
with want as materialized (
    select unnest(@ids::bigint[]) as id, unnest(@quantities::bigint[]) as quantity
), locked as materialized (
    select p.id from products p
    where p.id = any (@ids::bigint[]) and p.farm_id = @farm_id and p.archived_at is null
    order by p.id for no key update
)
update products p set available = p.available - w.quantity, sold = p.sold + w.quantity
from locked l join want w on w.id = l.id
where p.id = l.id and p.available >= w.quantity
returning p.id, p.name, p.unit, p.price, w.quantity::bigint as quantity;

-- name: FillOrder :exec
-- The lines, what they cost, the first event and the intent to be paid.
with lines as (
    insert into order_lines (order_id, product_id, name, unit, price, quantity)
    select @order_id::bigint, unnest(@ids::bigint[]), unnest(@names::text[]), unnest(@units::text[]), unnest(@prices::bigint[]),
           unnest(@quantities::bigint[])
), event as (
    insert into order_events (order_id, actor_id, side, to_status) values (@order_id::bigint, @viewer_id::bigint, 'buyer', 'placed')
), payment as (
    insert into payments (order_id, method, status, currency, amount)
    values (@order_id::bigint, @method, 'authorizing', @currency, @total::bigint)
)
update orders set total = @total::bigint where id = @order_id::bigint;

-- name: StockOf :many
-- Why products could not be taken.
select id, name, available from products where id = any (@ids::bigint[]) and farm_id = @farm_id and archived_at is null;

-- name: OrderForViewer :one
-- For its buyer and the members of its farm. The buyer is named as far as the viewer may see them.
select o.id, o.status, o.currency, o.total, o.note, o.created_at, o.updated_at, f.id as farm_id, f.name as farm_name,
       (o.buyer_id is not distinct from @viewer_id::bigint)::bool as buys, (m.user_id is not null)::bool as sells,
       pay.method as payment_method, pay.status as payment_status,
       coalesce(b.id, 0)::bigint as buyer_id, coalesce(b.handle, '')::text as handle, coalesce(b.display_name, '')::text as display_name
from orders o
join farms f on f.id = o.farm_id
join payments pay on pay.order_id = o.id
left join farm_members m on m.farm_id = o.farm_id and m.user_id = @viewer_id::bigint
left join visible_users(@viewer_id) b on b.id = o.buyer_id
where o.id = @id and (o.buyer_id = @viewer_id::bigint or m.user_id is not null);

-- name: OrderLines :many
select product_id, name, unit, price, quantity from order_lines where order_id = @order_id order by product_id;

-- name: OrderEvents :many
select side, from_status, to_status, reason, created_at from order_events where order_id = @order_id order by id;

-- name: ListOrders :many
with page as materialized (
    select o.id, o.farm_id, o.buyer_id, o.status, o.currency, o.total, o.created_at, o.updated_at
    from orders o
    where o.buyer_id = @viewer_id::bigint and o.id < @before_id::bigint
    order by o.id desc
    limit @page_size::int
)
select page.id, page.status, page.currency, page.total, page.created_at, page.updated_at, f.id as farm_id, f.name as farm_name,
       (select count(*) from order_lines l where l.order_id = page.id) as lines,
       coalesce(b.id, 0)::bigint as buyer_id, coalesce(b.handle, '')::text as handle, coalesce(b.display_name, '')::text as display_name
from page join farms f on f.id = page.farm_id
left join visible_users(@viewer_id) b on b.id = page.buyer_id
order by page.id desc;

-- name: ListFarmOrders :many
with page as materialized (
    select o.id, o.farm_id, o.buyer_id, o.status, o.currency, o.total, o.created_at, o.updated_at
    from orders o
    where o.farm_id = @farm_id::bigint and o.id < @before_id::bigint
    order by o.id desc
    limit @page_size::int
)
select page.id, page.status, page.currency, page.total, page.created_at, page.updated_at, f.id as farm_id, f.name as farm_name,
       (select count(*) from order_lines l where l.order_id = page.id) as lines,
       coalesce(b.id, 0)::bigint as buyer_id, coalesce(b.handle, '')::text as handle, coalesce(b.display_name, '')::text as display_name
from page join farms f on f.id = page.farm_id
left join visible_users(@viewer_id::bigint) b on b.id = page.buyer_id
order by page.id desc;

-- name: ListFarmOrdersByStatus :many
with page as materialized (
    select o.id, o.farm_id, o.buyer_id, o.status, o.currency, o.total, o.created_at, o.updated_at
    from orders o
    where o.farm_id = @farm_id::bigint and o.status = @status::text and o.id < @before_id::bigint
    order by o.id desc
    limit @page_size::int
)
select page.id, page.status, page.currency, page.total, page.created_at, page.updated_at, f.id as farm_id, f.name as farm_name,
       (select count(*) from order_lines l where l.order_id = page.id) as lines,
       coalesce(b.id, 0)::bigint as buyer_id, coalesce(b.handle, '')::text as handle, coalesce(b.display_name, '')::text as display_name
from page join farms f on f.id = page.farm_id
left join visible_users(@viewer_id::bigint) b on b.id = page.buyer_id
order by page.id desc;

-- name: MoveOrder :one
-- One step, told to the other side: to the buyer of what the farm did, to the members of the farm of what the buyer did, to all
-- of what neither did. actor_id is 0 for the system. No row: the order is not in the state that the step starts from.
with moved as (
    update orders o set status = @to_status, updated_at = now() where o.id = @id and o.status = @from_status
    returning o.id, o.farm_id, o.buyer_id, o.status, o.currency, o.total
), event as (
    insert into order_events (order_id, actor_id, side, from_status, to_status, reason)
    select moved.id, nullif(@actor_id::bigint, 0), @side::text, @from_status, moved.status, @reason from moved
), told as (
    insert into app_events (kind, payload, trace_id)
    select 'order_' || moved.status, jsonb_build_object('order_id', moved.id, 'farm_id', moved.farm_id, 'buyer_id', moved.buyer_id,
           'total', moved.total, 'currency', moved.currency, 'by', @side::text), @trace_id from moved
), notes as (
    insert into notifications (recipient_id, kind, order_id, order_status)
    select r.user_id, 'order', moved.id, moved.status
    from moved cross join lateral (
        select m.user_id from farm_members m where m.farm_id = moved.farm_id and @side::text <> 'farm'
        union
        select moved.buyer_id where moved.buyer_id is not null and @side::text <> 'buyer'
    ) r
    where r.user_id <> @actor_id::bigint
)
select id, currency, total from moved;

-- name: AnnounceOrder :exec
-- An order that will be paid for is told to the farm.
with placed as (
    select o.id, o.farm_id, o.buyer_id, o.status, o.currency, o.total from orders o where o.id = @id
), told as (
    insert into app_events (kind, payload, trace_id)
    select 'order_placed', jsonb_build_object('order_id', placed.id, 'farm_id', placed.farm_id, 'buyer_id', placed.buyer_id,
           'total', placed.total, 'currency', placed.currency, 'by', 'buyer'), @trace_id from placed
)
insert into notifications (recipient_id, kind, order_id, order_status)
select m.user_id, 'order', placed.id, 'placed'
from placed join farm_members m on m.farm_id = placed.farm_id
where m.user_id is distinct from placed.buyer_id;

-- name: ReturnStock :exec
-- What an order took, in the order in which it was taken.
with locked as materialized (
    select p.id from products p
    where p.id in (select l.product_id from order_lines l where l.order_id = @order_id)
    order by p.id for no key update
)
update products p set available = p.available + l.quantity, sold = p.sold - l.quantity
from locked join order_lines l on l.product_id = locked.id and l.order_id = @order_id
where p.id = locked.id;

-- name: PaymentOf :one
select status, method, currency, amount, reference from payments where order_id = @order_id;

-- name: MovePayment :execrows
-- No row: somebody else has resolved it.
update payments set status = @to_status, reference = coalesce(sqlc.narg('reference'), reference), updated_at = now()
where order_id = @order_id and status = any (@from_statuses::text[]);

-- name: StalePayments :many
-- Intents that nobody has resolved for a while.
select order_id from payments
where status in ('authorizing', 'capturing', 'voiding') and updated_at < now() - make_interval(secs => @older_seconds::float8)
order by updated_at
limit @batch::int;
