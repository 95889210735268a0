select coalesce(extract(epoch from max(clock_timestamp() - xact_start)), 0)::float8
from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
