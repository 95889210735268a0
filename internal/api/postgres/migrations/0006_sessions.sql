-- +goose Up
-- platctl: phase expand
-- One row a login. A refresh counts up; there is no row per token. last_used_at is the time of the last count: the window
-- in which the token before the current one is answered is measured from it, so answering must not move it.
create table sessions (
    id             bigint generated always as identity primary key,
    user_id        bigint      not null references users (id) on delete cascade,
    hmac_key       bytea       not null check (octet_length(hmac_key) = 32),
    counter        bigint      not null default 0 check (counter >= 0),
    user_agent     text        not null default '' check (char_length(user_agent) <= 200),
    created_at     timestamptz not null default now(),
    last_used_at   timestamptz not null default now(),
    expires_at     timestamptz not null,
    revoked_at     timestamptz,
    revoked_reason text check (revoked_reason in ('logout', 'revoked', 'password', 'reuse', 'ban', 'operator')),
    check ((revoked_at is null) = (revoked_reason is null))
);
create index sessions_user_idx on sessions (user_id, id desc);
create index sessions_expires_idx on sessions (expires_at);

-- What replicas must refuse before its tokens have expired by themselves. A row lives a little longer than the youngest
-- token it is about. xid lets a reader ask for what a snapshot of its own had not seen: seq is given before the commit.
create table revocations (
    seq        bigint generated always as identity primary key,
    xid        xid8        not null default pg_current_xact_id(),
    kind       text        not null check (kind in ('session', 'user')),
    subject    bigint      not null,
    not_before timestamptz not null default now(),
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null
);
create index revocations_xid_idx on revocations (xid);
create index revocations_expires_idx on revocations (expires_at);

-- +goose StatementBegin
create function revocations_wake() returns trigger language plpgsql as $$
begin
    perform pg_notify('revocations', '');
    return null;
end $$;
-- +goose StatementEnd
create trigger revocations_wake after insert on revocations
    for each statement execute function revocations_wake();

-- The heart-beat of every server: what it had applied, and when.
create table replicas (
    id          text primary key,
    applied_seq bigint      not null,
    applied     pg_snapshot not null,
    applied_at  timestamptz not null,
    started_at  timestamptz not null default now()
) with (fillfactor = 50);

-- +goose Down
drop table replicas;
drop table revocations;
drop function revocations_wake();
drop table sessions;
