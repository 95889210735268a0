-- The fields of an entry, in their order. A ledger of before has fewer columns: a name that it hasn't is the outer row's. The texts are
-- long, so they come only where $1 is true.
select l.*
from (select null::boolean as down_stepwise, null::jsonb as begun, null::jsonb as progress) absent
cross join lateral (
    select version, name, state, phase, case when $1::boolean then up_text else '' end, up_sha256,
           case when $1::boolean then down_text else '' end, down_sha256, down_stepwise, begun, progress, stmt_total, stmt_done, error,
           started_at, (date_part('epoch', duration) * 1000)::bigint, release, tool_version, db_user
    from platctl.migrations
) l
