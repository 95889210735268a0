select pg_try_advisory_lock($1), pg_backend_pid(), current_setting('transaction_read_only') = 'on'
