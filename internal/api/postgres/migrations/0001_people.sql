-- +goose Up
-- platctl: phase expand
create table users (
    id            bigint generated always as identity primary key,
    handle        text        not null check (handle ~ '^[A-Za-z0-9_]{3,30}$'),
    display_name  text        not null check (char_length(display_name) between 1 and 80),
    password_hash text        not null,
    created_at    timestamptz not null default now(),
    deleted_at    timestamptz
);
create unique index users_handle_key on users (lower(handle)) where deleted_at is null;

create table follows (
    follower_id bigint      not null references users (id) on delete cascade,
    followee_id bigint      not null references users (id) on delete cascade,
    created_at  timestamptz not null default now(),
    primary key (follower_id, followee_id),
    check (follower_id <> followee_id)
);
create index follows_followee_idx on follows (followee_id, follower_id);

-- Symmetric: a block writes both rows, so a read needs one anti-join and one index.
create table hidden (
    viewer_id bigint not null references users (id) on delete cascade,
    other_id  bigint not null references users (id) on delete cascade,
    primary key (viewer_id, other_id)
);
create index hidden_other_idx on hidden (other_id);

-- +goose Down
drop table hidden;
drop table follows;
drop table users;
