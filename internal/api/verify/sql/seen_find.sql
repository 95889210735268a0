-- Beyond the newest id that was ever given, it would hide notifications that are still to come.
select s.user_id, 0::bigint, format('user %s: last_seen_id is %s, the newest notification is %s', s.user_id, s.last_seen_id, q.last)
from notification_state s
cross join (select coalesce(pg_sequence_last_value(pg_get_serial_sequence('notifications', 'id')::regclass), 0) as last) q
where s.last_seen_id not between 0 and q.last
