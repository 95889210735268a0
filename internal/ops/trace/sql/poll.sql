-- What another session holds and waits for, and behind whom.
select l.locktype, coalesce(l.relation, 0)::oid as relation, l.mode, l.granted, coalesce(l.virtualxid, l.transactionid::text, ''),
       case when l.granted then '{}' else pg_blocking_pids(l.pid) end as behind
from pg_locks l
where l.pid = $1 and (not l.granted or l.locktype = 'relation' and l.relation >= 16384
  and l.database = (select oid from pg_database where datname = current_database()))
