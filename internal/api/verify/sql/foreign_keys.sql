-- Foreign keys of one column. Those of more columns don't exist in this schema; a test would notice.
select c.conrelid::regclass::text, quote_ident(a.attname), c.confrelid::regclass::text, quote_ident(p.attname),
       c.confdeltype = 'c' as cascades
from pg_constraint c
join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
join pg_attribute p on p.attrelid = c.confrelid and p.attnum = c.confkey[1]
where c.contype = 'f' and c.connamespace = 'public'::regnamespace and cardinality(c.conkey) = 1
order by 1, 2
