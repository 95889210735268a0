-- What the key of a backfill is: its type, whether an index begins with it, how many rows the table has by PostgreSQL's estimate.
select format_type(a.atttypid, a.atttypmod),
       exists (select from pg_index i where i.indrelid = c.oid and i.indisvalid and i.indpred is null and i.indkey[0] = a.attnum),
       greatest(c.reltuples, 0)::bigint
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.oid = to_regclass($1) and a.attname = (parse_ident($2))[1]
