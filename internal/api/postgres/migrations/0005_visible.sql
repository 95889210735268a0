-- platctl: allow L01 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L02 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L32 of the first release: the table has no rows yet, and nobody uses it
-- +goose Up
-- platctl: phase expand
-- Two people who block and unblock each other at the same time take turns: without the lock each sees the state before the
-- other, and hidden could lose a pair that is still blocked.
-- +goose StatementBegin
create or replace function blocks_maintain_hidden() returns trigger language plpgsql as $$
declare
    pair blocks := case when tg_op = 'INSERT' then new else old end;
    low  bigint := least(pair.blocker_id, pair.blocked_id);
    high bigint := greatest(pair.blocker_id, pair.blocked_id);
begin
    perform pg_advisory_xact_lock(hashtextextended('blocks:' || low || ':' || high, 0));
    if tg_op = 'INSERT' then
        insert into hidden (viewer_id, other_id) values (low, high), (high, low) on conflict do nothing;
        delete from follows where (follower_id, followee_id) in ((low, high), (high, low));
    elsif not exists (select 1 from blocks where blocker_id = old.blocked_id and blocked_id = old.blocker_id) then
        delete from hidden where (viewer_id, other_id) in ((low, high), (high, low));
    end if;
    return null;
end $$;
-- +goose StatementEnd

-- Counters count living people: somebody who is deleted or banned leaves them, and enters them again when reinstated. A
-- post without a row has never been liked or commented on.
-- +goose StatementBegin
create function users_maintain_counts() returns trigger language plpgsql as $$
declare
    step bigint := case when new.deleted_at is null and new.banned_at is null then 1 else -1 end;
begin
    perform 1 from post_stats where post_id in (
        select post_id from likes where user_id = new.id
        union select post_id from comments where author_id = new.id and deleted_at is null)
    order by post_id for update;
    update post_stats s set like_count = greatest(0, s.like_count + step)
    from likes l where l.user_id = new.id and l.post_id = s.post_id;
    update post_stats s set comment_count = greatest(0, s.comment_count + step * c.n)
    from (select post_id, count(*) as n from comments where author_id = new.id and deleted_at is null group by post_id) c
    where c.post_id = s.post_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger users_counts after update of deleted_at, banned_at on users for each row
    when ((old.deleted_at is null and old.banned_at is null) <> (new.deleted_at is null and new.banned_at is null))
    execute function users_maintain_counts();

-- Taking a like or a follow back takes its notification back.
create index notifications_actor_target_idx on notifications (actor_id, post_id, recipient_id);
drop index notifications_actor_idx;

-- What a viewer may see, continued. People who are deleted or banned take what they wrote with them.
create or replace function visible_posts(viewer bigint) returns setof posts language sql stable as
    $$ select p.* from posts p join users u on u.id = p.author_id
       where p.deleted_at is null and u.deleted_at is null and u.banned_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = p.author_id) $$;
-- A comment stands below a post: who reads comments goes through visible_posts too.
create or replace function visible_comments(viewer bigint) returns setof comments language sql stable as
    $$ select c.* from comments c join users u on u.id = c.author_id
       where c.deleted_at is null and u.deleted_at is null and u.banned_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = c.author_id) $$;
create function visible_likes(viewer bigint) returns setof likes language sql stable as
    $$ select l.* from likes l join users u on u.id = l.user_id
       where u.deleted_at is null and u.banned_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = l.user_id) $$;
create function visible_follows(viewer bigint) returns setof follows language sql stable as
    $$ select f.* from follows f join users a on a.id = f.follower_id join users b on b.id = f.followee_id
       where a.deleted_at is null and a.banned_at is null and b.deleted_at is null and b.banned_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = f.follower_id)
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = f.followee_id) $$;
-- The viewer's own. Its target has to be there still; a foreign key says that a missing row means no target.
create function visible_notifications(viewer bigint) returns setof notifications language sql stable as
    $$ select n.* from notifications n join users u on u.id = n.actor_id
       left join posts p on p.id = n.post_id left join comments c on c.id = n.comment_id
       where n.recipient_id = viewer and u.deleted_at is null and u.banned_at is null
       and p.deleted_at is null and c.deleted_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = n.actor_id) $$;
-- A post's counters, exact for the viewer: without the likes and comments of living people hidden from them.
create function post_counts(viewer bigint, post bigint) returns setof post_stats language sql stable as
    $$ select post,
       greatest(0, coalesce(s.like_count, 0) - (select count(*) from hidden h
           join likes l on l.post_id = post and l.user_id = h.other_id
           join users u on u.id = l.user_id and u.deleted_at is null and u.banned_at is null
           where h.viewer_id = viewer)),
       greatest(0, coalesce(s.comment_count, 0) - (select count(*) from hidden h
           join comments c on c.post_id = post and c.author_id = h.other_id and c.deleted_at is null
           join users u on u.id = c.author_id and u.deleted_at is null and u.banned_at is null
           where h.viewer_id = viewer))
       from (select post as id) p left join post_stats s on s.post_id = p.id $$;

-- +goose Down
drop function post_counts(bigint, bigint);
drop function visible_notifications(bigint);
drop function visible_follows(bigint);
drop function visible_likes(bigint);
create or replace function visible_comments(viewer bigint) returns setof comments language sql stable as
    $$ select c.* from comments c where c.deleted_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = c.author_id) $$;
create or replace function visible_posts(viewer bigint) returns setof posts language sql stable as
    $$ select p.* from posts p where p.deleted_at is null
       and not exists (select 1 from hidden h where h.viewer_id = viewer and h.other_id = p.author_id) $$;
create index notifications_actor_idx on notifications (actor_id);
drop index notifications_actor_target_idx;
drop trigger users_counts on users;
drop function users_maintain_counts();
-- +goose StatementBegin
create or replace function blocks_maintain_hidden() returns trigger language plpgsql as $$
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
