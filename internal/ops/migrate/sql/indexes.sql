-- The indexes of a table, or of the table that an index belongs to.
select i.indexrelid, format('%I.%I', n.nspname, c.relname), i.indisvalid
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('i', 'I') and i.indrelid = coalesce((select x.indrelid from pg_index x where x.indexrelid = to_regclass($1)), to_regclass($1))
