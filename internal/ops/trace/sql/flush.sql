-- What this session has counted reaches the shared counters when the statement ends.
select pg_stat_force_next_flush()
