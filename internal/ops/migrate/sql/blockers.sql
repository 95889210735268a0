-- The sessions that another one waits for, and for how long their transactions have been open.
select p.pid, coalesce(a.application_name, ''), coalesce(a.usename, '')::text, coalesce(a.state, ''), coalesce(left(a.query, 300), ''),
       coalesce((extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.backend_start)) * 1000)::bigint, 0)
from (select distinct unnest(pg_blocking_pids($1)) as pid) p left join pg_stat_activity a using (pid)
order by 6 desc
