with noted as (
    update platctl.migrations set state = @state, stmt_total = @total, stmt_done = @done, error = @error, started_at = @started_at,
        duration = @duration, tool_version = @tool_version, db_user = session_user, begun = null
    where version = @version
    returning version, name, state, stmt_done, stmt_total, error, duration, tool_version
)
insert into platctl.migration_events (version, name, state, stmt_done, stmt_total, detail, duration, release, tool_version)
select version, name, state, stmt_done, stmt_total, error, duration, @release, tool_version from noted
