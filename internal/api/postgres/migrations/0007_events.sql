-- +goose Up
-- platctl: phase expand
-- What happened, written in the transaction that made it happen and told to the log by a relay, at least once.
create table app_events (
    id         bigint generated always as identity primary key,
    kind       text        not null,
    payload    jsonb       not null,
    trace_id   text        not null,
    created_at timestamptz not null default now(),
    emitted_at timestamptz
);
create index app_events_pending_idx on app_events (id) where emitted_at is null;
create index app_events_emitted_idx on app_events (emitted_at) where emitted_at is not null;

-- +goose Down
drop table app_events;
