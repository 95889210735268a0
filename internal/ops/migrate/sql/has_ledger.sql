select to_regclass('platctl.migration_runs') is not null
   and exists (select from pg_attribute where attrelid = to_regclass('platctl.migrations') and attname = 'locks' and not attisdropped)
   and exists (select from pg_attribute where attrelid = to_regclass('platctl.migrations') and attname = 'progress' and not attisdropped)
