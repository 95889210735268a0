-- With what the transaction of the file holds: of a relation that is gone only the number is known. Names are looked up one by one: a join
-- would read all of pg_class for a handful of locks.
with held (locks) as materialized (
    select jsonb_agg(jsonb_build_object('relation', coalesce(l.name[1] || '.' || l.name[2], l.relation::text), 'mode', l.mode) order by l.relation, l.mode)
    from (
        select relation, mode,
               (select array[n.nspname::text, c.relname::text] from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = relation) as name
        from pg_locks
        where pid = pg_backend_pid() and locktype = 'relation' and relation >= 16384 and mode <> 'AccessShareLock'
    ) l
    where coalesce(l.name[1], '') not in ('platctl', 'pg_toast')
), noted as (
    insert into platctl.migrations
        (version, name, state, phase, up_text, up_sha256, down_text, down_sha256, stmt_total, stmt_done, error,
         started_at, duration, release, tool_version, up_stepwise, down_stepwise, locks)
    select @version, @name, @state, @phase, @up_text, @up_sha256, @down_text, @down_sha256, @total, @done, @error,
            @started_at, @duration, @release, @tool_version, @up_stepwise, @down_stepwise, held.locks from held
    on conflict (version) do update set
        name = excluded.name, state = excluded.state, phase = excluded.phase, up_text = excluded.up_text,
        up_sha256 = excluded.up_sha256, down_text = excluded.down_text, down_sha256 = excluded.down_sha256,
        stmt_total = excluded.stmt_total, stmt_done = excluded.stmt_done, error = excluded.error,
        started_at = excluded.started_at, duration = excluded.duration, release = excluded.release,
        tool_version = excluded.tool_version, up_stepwise = excluded.up_stepwise, down_stepwise = excluded.down_stepwise, db_user = session_user, begun = null,
        locks = case when excluded.up_stepwise and excluded.stmt_done > 0 then migrations.locks else excluded.locks end, -- of a file in steps each has added its own
        progress = case when migrations.state in ('running', 'failed') then migrations.progress end
    returning version, name, state, stmt_done, stmt_total, error, duration, release, tool_version
)
insert into platctl.migration_events (version, name, state, stmt_done, stmt_total, detail, duration, release, tool_version)
select * from noted
