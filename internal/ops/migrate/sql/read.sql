select version, name, state, phase, up_text, up_sha256, down_text, down_sha256, stmt_total, stmt_done, error, started_at,
       (extract(epoch from duration) * 1000)::bigint as duration_ms, release, tool_version, db_user,
       (to_jsonb(m) ->> 'down_stepwise')::boolean as down_stepwise, nullif(to_jsonb(m) -> 'begun', 'null') as begun,
       nullif(to_jsonb(m) -> 'progress', 'null') as progress
from platctl.migrations m
order by version
