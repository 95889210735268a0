-- What was sold is what orders have that are not cancelled.
select p.id, 0::bigint, format('product %s: sold is %s, its orders have %s', p.id, p.sold, coalesce(o.n, 0))
from products p
left join (select l.product_id, sum(l.quantity) as n from order_lines l join orders o on o.id = l.order_id
           where o.status <> 'cancelled' group by l.product_id) o on o.product_id = p.id
where p.sold <> coalesce(o.n, 0)
