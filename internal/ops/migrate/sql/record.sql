with noted as (
    insert into platctl.migrations
        (version, name, state, phase, up_text, up_sha256, down_text, down_sha256, stmt_total, stmt_done, error,
         started_at, duration, release, tool_version, up_stepwise, down_stepwise)
    values (@version, @name, @state, @phase, @up_text, @up_sha256, @down_text, @down_sha256, @total, @done, @error,
            @started_at, @duration, @release, @tool_version, @up_stepwise, @down_stepwise)
    on conflict (version) do update set
        name = excluded.name, state = excluded.state, phase = excluded.phase, up_text = excluded.up_text,
        up_sha256 = excluded.up_sha256, down_text = excluded.down_text, down_sha256 = excluded.down_sha256,
        stmt_total = excluded.stmt_total, stmt_done = excluded.stmt_done, error = excluded.error,
        started_at = excluded.started_at, duration = excluded.duration, release = excluded.release,
        tool_version = excluded.tool_version, up_stepwise = excluded.up_stepwise, down_stepwise = excluded.down_stepwise, db_user = session_user, begun = null,
        progress = case when migrations.state in ('running', 'failed') then migrations.progress end
    returning version, name, state, stmt_done, stmt_total, error, duration, release, tool_version
)
insert into platctl.migration_events (version, name, state, stmt_done, stmt_total, detail, duration, release, tool_version)
select * from noted
