-- Which of the names are tables here, and how large when PostgreSQL last counted, with their indexes: -1 where it never has. The pages
-- are the catalogue's: pg_total_relation_size would wait for a migration that holds the table.
select n.name, c.reltuples::bigint,
       case when c.reltuples < 0 then -1 else current_setting('block_size')::bigint * (
           c.relpages + coalesce((select t.relpages from pg_class t where t.oid = c.reltoastrelid), 0)
           + coalesce((select sum(x.relpages) from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid in (c.oid, c.reltoastrelid)), 0)) end::bigint
from unnest($1::text[]) n (name)
join pg_class c on c.oid = to_regclass(n.name) and c.relkind in ('r', 'p', 'm', 'f')
join pg_namespace s on s.oid = c.relnamespace and s.nspname !~ '^pg_' and s.nspname <> 'information_schema'
