create schema if not exists platctl;
create table if not exists platctl.migrations (
    version      bigint primary key,
    name         text not null,
    state        text not null,
    phase        text not null default '',
    up_text      text not null,
    up_sha256    text not null,
    down_text    text not null,
    down_sha256  text not null,
    stmt_total   integer not null,
    stmt_done    integer not null,
    error        text not null default '',
    started_at   timestamptz not null,
    duration     interval not null default '0',
    release      text not null,
    tool_version text not null,
    db_user      text not null default session_user
);
comment on table platctl.migrations is 'What platctl migrate did to this database, one row a migration.';
-- Ledgers of before there was a way down.
alter table platctl.migrations
    drop constraint if exists migrations_state_check,
    add constraint migrations_state_check check (state in ('running', 'applied', 'failed', 'reverting', 'reverted')),
    add column if not exists up_stepwise boolean,
    add column if not exists down_stepwise boolean,
    add column if not exists locks jsonb, -- seen on the way up: relation and mode
    add column if not exists progress jsonb, -- of a backfill: how far it is
    add column if not exists begun jsonb; -- the statement that can't be counted in one transaction with itself, and what there was before it
create table if not exists platctl.migration_runs (
    id           bigint generated always as identity primary key,
    at           timestamptz not null default clock_timestamp(),
    from_version bigint not null,
    to_version   bigint not null,
    before       text not null, -- fingerprints of the catalogue
    after        text not null,
    column_order text not null,
    facts        bytea, -- of after, gzipped JSON; the newest run has them
    release      text not null,
    tool_version text not null,
    db_user      text not null default session_user
);
comment on table platctl.migration_runs is 'What the schema was before and after each run of platctl migrate.';
create table if not exists platctl.migration_events (
    id           bigint generated always as identity primary key,
    at           timestamptz not null default clock_timestamp(),
    version      bigint not null,
    name         text not null,
    state        text not null,
    stmt_done    integer not null,
    stmt_total   integer not null,
    detail       text not null default '',
    duration     interval not null,
    release      text not null,
    tool_version text not null,
    db_user      text not null default session_user,
    client       text not null default coalesce(host(inet_client_addr()), 'local')
);
comment on table platctl.migration_events is 'Everything that platctl migrate ever did to this database; rows are only added.';
