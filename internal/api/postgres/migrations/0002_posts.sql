-- +goose Up
-- platctl: phase expand
create table posts (
    id         bigint generated always as identity primary key,
    author_id  bigint      not null references users (id) on delete cascade,
    body       text        not null check (char_length(body) between 1 and 2000),
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);
-- The feed asks for the newest post of an author before a cursor.
create index posts_author_idx on posts (author_id, id desc) where deleted_at is null;

-- +goose Down
drop table posts;
