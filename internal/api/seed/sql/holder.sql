select coalesce(max(a.pid), 0), coalesce(max(a.application_name), '')
from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_database where datname = current_database())
  and (l.classid::bigint << 32 | l.objid::bigint) = $1::bigint
