select to_regclass('platctl.migration_events') is not null
