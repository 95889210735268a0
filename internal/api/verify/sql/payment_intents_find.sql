select p.order_id, 0::bigint, format('the payment of order %s is %s since %s', p.order_id, p.status, p.updated_at)
from payments p where p.status in ('authorizing', 'capturing', 'voiding') and p.updated_at < now() - interval '10 minutes'
