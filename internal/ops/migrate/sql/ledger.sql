create schema if not exists platctl;
create table if not exists platctl.migrations (
    version      bigint primary key,
    name         text not null,
    state        text not null check (state in ('running', 'applied', 'failed')),
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
