-- The tables in which other tools keep what they have applied, by their columns.
select c.oid::regclass::text,
       case when cols @> '{version_id,is_applied}' then 'goose'
            when cols @> '{version,dirty}' then 'golang-migrate'
            when cols = '{version}' and c.relname = 'schema_migrations' then 'dbmate'
            when cols = '{version}' and c.relname = 'schema_version' then 'tern' end as tool
from pg_class c join pg_namespace n on n.oid = c.relnamespace,
     lateral (select array_agg(a.attname::text order by a.attname) as cols from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) a
where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'platctl')
  and (cols @> '{version_id,is_applied}' or cols @> '{version,dirty}' or cols = '{version}' and c.relname in ('schema_migrations', 'schema_version'))
order by 1
