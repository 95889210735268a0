with noted as (
    update platctl.migrations set state = $2, error = $3 where version = $1
    returning version, name, state, stmt_done, stmt_total, error, duration, release, tool_version
)
insert into platctl.migration_events (version, name, state, stmt_done, stmt_total, detail, duration, release, tool_version)
select * from noted
