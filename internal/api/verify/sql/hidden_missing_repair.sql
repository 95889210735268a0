insert into hidden (viewer_id, other_id)
select x.a, x.b from unnest($1::bigint[], $2::bigint[]) x(a, b)
where exists (select 1 from blocks k where (k.blocker_id, k.blocked_id) = (x.a, x.b) or (k.blocker_id, k.blocked_id) = (x.b, x.a))
on conflict do nothing
