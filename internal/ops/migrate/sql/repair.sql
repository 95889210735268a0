with noted as (
    update platctl.migrations set state = $2, stmt_done = $3, error = '', tool_version = $5, db_user = session_user, begun = null where version = $1
    returning version, name, state, stmt_done, stmt_total, duration, release, tool_version
)
insert into platctl.migration_events (version, name, state, stmt_done, stmt_total, detail, duration, release, tool_version)
select version, name, state, stmt_done, stmt_total, $4, duration, release, tool_version from noted
