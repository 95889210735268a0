-- name: ClaimEvents :many
-- Marks the oldest pending events as told; the caller tells them before it commits. Relays of other replicas skip them.
update app_events e set emitted_at = now()
from (
    select id from app_events where emitted_at is null order by id limit @batch::int for update skip locked
) pending
where e.id = pending.id
returning e.id, e.kind, e.payload, e.trace_id, e.created_at;

-- name: PendingEvents :one
select count(*) as pending, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest_seconds
from app_events where emitted_at is null;
