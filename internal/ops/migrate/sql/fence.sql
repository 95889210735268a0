-- Fails, by dividing by zero, in a session that hasn't got the runner's lock.
select 1 / (count(*) > 0)::int from pg_locks
where locktype = 'advisory' and pid = pg_backend_pid() and granted and objsubid = 1
  and classid::bigint = ($1::bigint >> 32) & 4294967295 and objid::bigint = $1::bigint & 4294967295
