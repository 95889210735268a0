-- name: JobBacklog :one
-- How many jobs are due and how long the oldest has waited, for the metrics.
select count(*) as due, coalesce(extract(epoch from now() - min(scheduled_at)), 0)::float8 as oldest_seconds
from river_job
where state in ('available', 'retryable', 'scheduled') and scheduled_at <= now();

-- name: JobsGivenUp :one
-- Jobs that failed at every attempt; they stay seven days.
select count(*) from river_job where state = 'discarded';
