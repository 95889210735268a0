-- With what the statement holds, where its transaction is the one of this count.
update platctl.migrations set stmt_done = $2, begun = null, locks = coalesce(locks, '[]') || coalesce((
         select jsonb_agg(jsonb_build_object('relation', coalesce(n.nspname || '.' || c.relname, l.relation::text), 'mode', l.mode) order by l.relation, l.mode)
         from pg_locks l left join pg_class c on c.oid = l.relation left join pg_namespace n on n.oid = c.relnamespace
         where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.relation >= 16384 and l.mode <> 'AccessShareLock'
           and coalesce(n.nspname, '') not in ('platctl', 'pg_toast')), '[]')
where version = $1
