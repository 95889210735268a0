-- An order costs what its lines cost, and has one.
select o.id, 0::bigint, format('order %s: total is %s, its %s lines cost %s', o.id, o.total, count(l.product_id), coalesce(sum(l.price * l.quantity), 0))
from orders o left join order_lines l on l.order_id = o.id
group by o.id
having o.total <> coalesce(sum(l.price * l.quantity), 0) or count(l.product_id) = 0
