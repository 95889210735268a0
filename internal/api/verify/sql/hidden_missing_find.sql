select v.a, v.b, format('%s blocked %s, and %s still sees %s', k.blocker_id, k.blocked_id, v.a, v.b)
from blocks k cross join lateral (values (k.blocker_id, k.blocked_id), (k.blocked_id, k.blocker_id)) v(a, b)
where not exists (select 1 from hidden h where h.viewer_id = v.a and h.other_id = v.b)
