-- Tables that aren't huge, and their columns.
select quote_ident(n.nspname) || '.' || quote_ident(c.relname), array_agg(quote_ident(a.attname) order by a.attnum)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind = 'r' and c.oid >= 16384 and n.nspname not in ('platctl', 'information_schema') and n.nspname !~ '^pg_'
  and pg_relation_size(c.oid) between 1 and $1
group by n.nspname, c.relname
