-- How a partition hangs on its table: 'f' firmly, 't' with a detachment that has begun and not ended. No row: not at all.
select inhdetachpending from pg_inherits where inhparent = to_regclass($1) and inhrelid = to_regclass($2)
