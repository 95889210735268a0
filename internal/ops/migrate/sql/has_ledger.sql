select to_regclass('platctl.migration_runs') is not null
