delete from hidden h using unnest($1::bigint[], $2::bigint[]) x(a, b)
where (h.viewer_id, h.other_id) = (x.a, x.b)
  and not exists (select 1 from blocks k where (k.blocker_id, k.blocked_id) = (x.a, x.b) or (k.blocker_id, k.blocked_id) = (x.b, x.a))
