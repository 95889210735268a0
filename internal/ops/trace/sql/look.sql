-- What this session holds now, by oid: a relation that was dropped is in no catalogue any more. Next to it the file and the counters of
-- each of them, which a statement can change only under a lock. Two counters make one: what is flushed and what isn't yet.
select l.relation, array_agg(l.mode) as modes, coalesce(pg_relation_filenode(l.relation), 0)::oid as filenode,
       pg_stat_get_numscans(l.relation) + pg_stat_get_xact_numscans(l.relation) as scans,
       pg_stat_get_tuples_returned(l.relation) + pg_stat_get_xact_tuples_returned(l.relation) as tuples
from pg_locks l
where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted and l.relation >= 16384
  and l.database = (select oid from pg_database where datname = current_database())
group by l.relation
