update notification_state s set last_seen_id = least(greatest(s.last_seen_id, 0), q.last)
from (select coalesce(pg_sequence_last_value(pg_get_serial_sequence('notifications', 'id')::regclass), 0) as last) q
where s.user_id = any ($1::bigint[]) and s.last_seen_id not between 0 and q.last
