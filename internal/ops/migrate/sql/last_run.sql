select id, at, to_version, after, column_order, facts, release from platctl.migration_runs order by id desc limit 1
