select a.pid, coalesce(a.application_name, ''), coalesce(a.usename, '')::text, coalesce(a.backend_start, now())
from pg_locks l
join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
  and l.classid::bigint = ($1::bigint >> 32) & 4294967295 and l.objid::bigint = $1::bigint & 4294967295 and l.objsubid = 1
limit 1
