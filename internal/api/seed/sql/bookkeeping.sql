create schema if not exists platctl;
create table if not exists platctl.seed (
    only_row      boolean primary key default true check (only_row),
    generator     integer     not null,
    scale         text        not null,
    seed          bigint      not null,
    anchor        timestamptz not null,
    password_hash text        not null,
    finished_at   timestamptz,
    hash          text        not null default ''
);
alter table platctl.seed add column if not exists rows jsonb not null default '{}'; -- table -> how many it had in the end
comment on table platctl.seed is 'The dataset that platctl db seed writes, or has written, to this database.';
create table if not exists platctl.seed_chunks (
    name       text primary key,
    rows       bigint      not null,
    written_at timestamptz not null default now()
);
comment on table platctl.seed_chunks is 'What platctl db seed has written so far.';
