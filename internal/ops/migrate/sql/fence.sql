-- Fails, by dividing by zero, in another session than the one that took the runner's lock.
select 1 / (pg_backend_pid() = $1::int)::int
