select format('%I.%I', n.nspname, c.relname)
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where not i.indisvalid and c.relkind = 'i'
  and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
order by 1
