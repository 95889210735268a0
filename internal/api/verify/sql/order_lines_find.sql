-- An order is with one farm.
select l.order_id, l.product_id, format('order %s is with farm %s, its line %s is of farm %s', l.order_id, o.farm_id, l.product_id, p.farm_id)
from order_lines l join orders o on o.id = l.order_id join products p on p.id = l.product_id
where p.farm_id <> o.farm_id
