-- Which of these columns are NOT NULL, by table and number.
select a.attrelid, a.attnum, quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname)
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where a.attrelid = any ($1::oid[]) and a.attnum > 0 and a.attnotnull and n.nspname !~ '^pg_'
