delete from follows f using unnest($1::bigint[], $2::bigint[]) x(a, b)
where (f.follower_id, f.followee_id) = (x.a, x.b)
  and exists (select 1 from hidden h where h.viewer_id = x.a and h.other_id = x.b)
