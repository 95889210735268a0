select r.id, r.at, r.to_version, r.after, r.column_order, r.facts, r.release,
       exists (select from platctl.migration_events e where e.at > r.at) as stale
from platctl.migration_runs r order by r.id desc limit 1
