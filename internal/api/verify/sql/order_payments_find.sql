-- What is owed is what was ordered, and paid with the order's end.
select o.id, 0::bigint, format('order %s over %s %s is %s, its payment of %s %s is %s', o.id, o.total, o.currency, o.status,
       coalesce(p.amount, 0), coalesce(p.currency, 'nothing'), coalesce(p.status, 'missing'))
from orders o left join payments p on p.order_id = o.id
where p.order_id is null or p.amount <> o.total or p.currency <> o.currency or not case o.status
    when 'placed' then p.status in ('authorizing', 'due')
    when 'confirmed' then p.status = 'due'
    when 'ready' then p.status in ('due', 'capturing')
    when 'completed' then p.status = 'paid'
    else p.status in ('voiding', 'void', 'declined') end
