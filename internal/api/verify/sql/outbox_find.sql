select e.id, 0::bigint, format('event %s, %s, of %s is not emitted yet', e.id, e.kind, e.created_at)
from app_events e where e.emitted_at is null and e.created_at < now() - interval '10 minutes'
