-- How far the slowest standby is behind; 0 where there is none, or where this role may not know.
select coalesce(max(extract(epoch from replay_lag)), 0)::float8 from pg_stat_replication
