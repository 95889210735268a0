-- platctl: allow L01 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L02 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L09 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L32 of the first release: the table has no rows yet, and nobody uses it
-- +goose Up
-- platctl: phase expand
alter table users add column bio text not null default '' check (char_length(bio) <= 500);
alter table users add column role text not null default 'member' check (role in ('member', 'moderator', 'admin'));
alter table users add column banned_at timestamptz;
-- Search by name: handles by prefix, display names by words.
create index users_handle_prefix_idx on users (lower(handle) text_pattern_ops) where deleted_at is null;
create index users_name_idx on users using gin (to_tsvector('simple', display_name)) where deleted_at is null;

-- Who blocked whom is the fact. hidden is derived, symmetric and maintained by the trigger below: a block writes both of
-- its rows, and they go when neither has blocked the other.
create table blocks (
    blocker_id bigint      not null references users (id) on delete cascade,
    blocked_id bigint      not null references users (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (blocker_id, blocked_id),
    check (blocker_id <> blocked_id)
);
create index blocks_blocked_idx on blocks (blocked_id, blocker_id);

-- +goose StatementBegin
create function blocks_maintain_hidden() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into hidden (viewer_id, other_id)
        values (new.blocker_id, new.blocked_id), (new.blocked_id, new.blocker_id)
        on conflict do nothing;
        delete from follows
        where (follower_id, followee_id) in ((new.blocker_id, new.blocked_id), (new.blocked_id, new.blocker_id));
        return new;
    end if;
    if not exists (select 1 from blocks where blocker_id = old.blocked_id and blocked_id = old.blocker_id) then
        delete from hidden
        where (viewer_id, other_id) in ((old.blocker_id, old.blocked_id), (old.blocked_id, old.blocker_id));
    end if;
    return old;
end $$;
-- +goose StatementEnd
create trigger blocks_hidden after insert or delete on blocks
    for each row execute function blocks_maintain_hidden();

alter table posts add column edited_at timestamptz;

-- Counters stand apart from the wide rows of posts, with room for updates in place.
create table post_stats (
    post_id       bigint primary key references posts (id) on delete cascade,
    like_count    bigint not null default 0 check (like_count >= 0),
    comment_count bigint not null default 0 check (comment_count >= 0)
) with (fillfactor = 70);

create table comments (
    id         bigint generated always as identity primary key,
    post_id    bigint      not null references posts (id) on delete cascade,
    author_id  bigint      not null references users (id) on delete cascade,
    body       text        not null check (char_length(body) between 1 and 1000),
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);
create index comments_post_idx on comments (post_id, id) where deleted_at is null;
create index comments_author_idx on comments (author_id, post_id);
create index comments_post_fk_idx on comments (post_id);

create table likes (
    post_id    bigint      not null references posts (id) on delete cascade,
    user_id    bigint      not null references users (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (post_id, user_id)
);
create index likes_user_idx on likes (user_id, post_id);

-- One row an event; reading groups them by kind and target.
create table notifications (
    id           bigint generated always as identity primary key,
    recipient_id bigint      not null references users (id) on delete cascade,
    actor_id     bigint      not null references users (id) on delete cascade,
    kind         text        not null check (kind in ('follow', 'like', 'comment')),
    post_id      bigint      references posts (id) on delete cascade,
    comment_id   bigint      references comments (id) on delete cascade,
    created_at   timestamptz not null default now()
);
create index notifications_recipient_idx on notifications (recipient_id, id desc);
create index notifications_actor_idx on notifications (actor_id);
create index notifications_post_idx on notifications (post_id) where post_id is not null;
create index notifications_comment_idx on notifications (comment_id) where comment_id is not null;

create table notification_state (
    user_id      bigint primary key references users (id) on delete cascade,
    last_seen_id bigint not null default 0
);

-- What a viewer may see. Inlined by the planner; queries on people's rows go through them. viewer 0 is nobody.
create function visible_users(viewer bigint) returns setof users language sql stable as
    $$ select u.* from users u where u.deleted_at is null and u.banned_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = u.id) $$;
create function visible_posts(viewer bigint) returns setof posts language sql stable as
    $$ select p.* from posts p where p.deleted_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = p.author_id) $$;
create function visible_comments(viewer bigint) returns setof comments language sql stable as
    $$ select c.* from comments c where c.deleted_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = c.author_id) $$;

-- +goose Down
drop function visible_comments(bigint);
drop function visible_posts(bigint);
drop function visible_users(bigint);
drop table notification_state;
drop table notifications;
drop table likes;
drop table comments;
drop table post_stats;
alter table posts drop column edited_at;
drop table blocks;
drop function blocks_maintain_hidden();
drop index users_name_idx;
drop index users_handle_prefix_idx;
alter table users drop column banned_at;
alter table users drop column role;
alter table users drop column bio;
