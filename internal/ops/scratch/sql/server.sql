select current_setting('server_version'), pg_is_in_recovery(),
       (select count(*) from pg_stat_activity where datname = $1 and backend_type = 'client backend' and pid <> pg_backend_pid())
