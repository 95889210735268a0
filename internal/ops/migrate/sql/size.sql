select c.reltuples::bigint, pg_total_relation_size(c.oid)
from pg_class c
where c.oid = to_regclass($1)
