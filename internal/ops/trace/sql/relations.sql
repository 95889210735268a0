-- What people have made: every relation that can be locked by a statement of theirs, and whose it is.
select c.oid, case when n.nspname = 'public' then quote_ident(c.relname) else quote_ident(n.nspname) || '.' || quote_ident(c.relname) end,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) as sql, c.relname, c.relkind::text, coalesce(i.indrelid, t.oid, 0)::oid as owner, coalesce(pg_relation_filenode(c.oid), 0)::oid as filenode,
       pg_stat_get_numscans(c.oid) + pg_stat_get_xact_numscans(c.oid) as scans,
       pg_stat_get_tuples_returned(c.oid) + pg_stat_get_xact_tuples_returned(c.oid) as tuples
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_index i on i.indexrelid = c.oid
left join pg_class t on c.relkind = 't' and t.reltoastrelid = c.oid
where c.oid >= 16384 and n.nspname <> 'platctl' and ($1::oid[] is null or c.oid = any ($1))
