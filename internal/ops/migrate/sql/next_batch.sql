-- The first key, the last key and the number of rows of the batch behind $1, of at most $2 rows. {key}, {table} and {type} are filled in.
select (array_agg(b.k::text order by b.k))[1], (array_agg(b.k::text order by b.k desc))[1], count(*)
from (select {key} as k from {table} where {key} is not null and ($1::text is null or {key} > $1::text::{type}) order by 1 limit $2::bigint) b
