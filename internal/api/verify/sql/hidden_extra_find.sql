select h.viewer_id, h.other_id, format('%s does not see %s, and neither blocked the other', h.viewer_id, h.other_id)
from hidden h
where not exists (select 1 from blocks k where (k.blocker_id, k.blocked_id) = (h.viewer_id, h.other_id))
  and not exists (select 1 from blocks k where (k.blocker_id, k.blocked_id) = (h.other_id, h.viewer_id))
