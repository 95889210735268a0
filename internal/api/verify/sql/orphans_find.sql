-- {child}, {column}, {parent} and {key} are names that PostgreSQL quoted. A row is known by its place, as two numbers.
select ((c.ctid::text)::point)[0]::bigint, ((c.ctid::text)::point)[1]::bigint,
       format('%s %s: no row %s in %s', '{child}', '{column}', c.{column}, '{parent}')
from {child} c
where c.{column} is not null and not exists (select 1 from {parent} p where p.{key} = c.{column})
