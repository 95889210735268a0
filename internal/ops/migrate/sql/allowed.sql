insert into platctl.migration_events (version, name, state, stmt_done, stmt_total, detail, duration, release, tool_version)
values ($1, $2, 'allowed', 0, $3, $4, '0', $5, $6)
