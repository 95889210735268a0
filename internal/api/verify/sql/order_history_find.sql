-- Each step begins where the one before ended, and the last ends at the order's status.
with steps as (
    select e.order_id, e.from_status, e.to_status, lag(e.to_status) over w as before, lead(e.id) over w is null as last
    from order_events e window w as (partition by e.order_id order by e.id)
), broken as (
    select s.order_id from steps s where s.from_status is distinct from s.before
    union
    select o.id from orders o left join steps s on s.order_id = o.id and s.last where s.to_status is distinct from o.status
)
select o.id, 0::bigint, format('order %s is %s, its steps are %s', o.id, o.status,
       (select string_agg(coalesce(e.from_status, '') || '>' || e.to_status, ' ' order by e.id) from order_events e where e.order_id = o.id))
from broken b join orders o on o.id = b.order_id
