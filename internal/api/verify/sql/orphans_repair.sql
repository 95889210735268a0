delete from {child} c
where c.ctid = any (select ('(' || x.a || ',' || x.b || ')')::tid from unnest($1::bigint[], $2::bigint[]) x(a, b))
  and c.{column} is not null and not exists (select 1 from {parent} p where p.{key} = c.{column})
