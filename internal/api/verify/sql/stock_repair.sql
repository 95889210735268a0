update products p set sold = t.n
from (select x.id, (select coalesce(sum(l.quantity), 0) from order_lines l join orders o on o.id = l.order_id and o.status <> 'cancelled'
                    where l.product_id = x.id) as n
      from unnest($1::bigint[]) x(id)) t
where p.id = t.id and p.sold <> t.n
