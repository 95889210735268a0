-- Tables and how busy they are: rows written and times read, by now and on average since the counters began.
select case when n.nspname = 'public' then quote_ident(c.relname) else quote_ident(n.nspname) || '.' || quote_ident(c.relname) end,
       greatest(c.reltuples, 0)::bigint, pg_relation_size(c.oid), pg_total_relation_size(c.oid),
       coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0), coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0),
       extract(epoch from clock_timestamp() - coalesce(d.stats_reset, pg_postmaster_start_time()))::float8
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_user_tables s on s.relid = c.oid
left join pg_stat_database d on d.datname = current_database()
where c.relkind in ('r', 'm', 'p') and c.oid >= 16384 and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'platctl')
