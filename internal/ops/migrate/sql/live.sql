-- The session that has the runner's lock, those that it waits for and those that wait for it, in one look.
with runner as materialized (
    select l.pid from pg_locks l
    where l.locktype = 'advisory' and l.granted
      and l.database = (select oid from pg_database where datname = current_database())
      and l.classid::bigint = ($1::bigint >> 32) & 4294967295 and l.objid::bigint = $1::bigint & 4294967295 and l.objsubid = 1
), part (role, pid) as (
    select 'runner', r.pid from runner r
    union all
    select distinct 'blocker', b.pid from runner r, unnest(pg_blocking_pids(r.pid)) b (pid)
    union all
    select 'waiting', a.pid from pg_stat_activity a, runner r where r.pid = any (pg_blocking_pids(a.pid))
)
select p.role, p.pid, coalesce(a.application_name, '') as app, coalesce(a.usename, '')::text as user, coalesce(a.state, '') as state,
       coalesce(left(a.query, 300), '') as query,
       (extract(epoch from clock_timestamp() - case p.role when 'blocker' then coalesce(a.xact_start, a.backend_start) else a.query_start end) * 1000)::bigint as for_ms
from part p left join pg_stat_activity a using (pid)
order by p.role, for_ms desc nulls last
