select i.indrelid::regclass::text, pg_relation_size(i.indexrelid), c.reltuples::bigint, pg_get_indexdef(i.indexrelid),
       exists (select 1 from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')) as constrains
from pg_index i join pg_class c on c.oid = i.indexrelid
where i.indexrelid = to_regclass($1)
