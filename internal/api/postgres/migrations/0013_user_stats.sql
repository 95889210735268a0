-- platctl: allow C10 it counts, and returns the row as it came
-- platctl: allow L35 who would write must wait while it is counted: 0.6 s on 600,000 posts and 900,000 follows
-- +goose Up
-- platctl: phase expand
-- What a profile counts, so that it counts nothing: the posts that stand, and the living people on the other side of a follow,
-- whether the person themselves is living or not. Somebody without a row has none of them. Triggers keep the counters,
-- whoever writes. Numbers below 0 would be drift, and are left for `platctl db verify` to see.
create table user_stats (
    user_id         bigint primary key references users (id) on delete cascade,
    post_count      bigint not null default 0,
    follower_count  bigint not null default 0,
    following_count bigint not null default 0
) with (fillfactor = 70);

-- Moves counters, in the order of ids: whoever moves several of them does so in this order, so nobody waits in a circle.
-- People who are being purged are left out.
-- +goose StatementBegin
create function user_stats_move(moves user_stats[]) returns void language sql as $$
    insert into user_stats as s (user_id, post_count, follower_count, following_count)
    select m.user_id, sum(m.post_count), sum(m.follower_count), sum(m.following_count)
    from unnest(moves) m join users u on u.id = m.user_id
    group by m.user_id order by m.user_id
    on conflict (user_id) do update set post_count = s.post_count + excluded.post_count,
        follower_count = s.follower_count + excluded.follower_count, following_count = s.following_count + excluded.following_count
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function posts_maintain_stats() returns trigger language plpgsql as $$
declare
    step bigint := case when tg_op = 'INSERT' then 1 else -1 end;
begin
    perform user_stats_move((select array_agg(m) from (
        select row(c.author_id, step * count(*), 0, 0)::user_stats as m from changed c where c.deleted_at is null group by c.author_id) x));
    return null;
end $$;
-- +goose StatementEnd
create trigger posts_stats_insert after insert on posts referencing new table as changed
    for each statement execute function posts_maintain_stats();
create trigger posts_stats_delete after delete on posts referencing old table as changed
    for each statement execute function posts_maintain_stats();

-- +goose StatementBegin
create function posts_maintain_stats_of_one() returns trigger language plpgsql as $$
begin
    perform user_stats_move(array[row(new.author_id, case when new.deleted_at is null then 1 else -1 end, 0, 0)::user_stats]);
    return null;
end $$;
-- +goose StatementEnd
create trigger posts_stats_update after update of deleted_at on posts for each row
    when ((old.deleted_at is null) <> (new.deleted_at is null))
    execute function posts_maintain_stats_of_one();

-- The people of a follow are locked until the commit, in the order of ids: a ban of one of them waits and then sees the follow,
-- or the follow waits and finds them gone. Locked first and looked at then (offset 0 keeps that order): somebody gone may be
-- coming back at this moment. Users come before counters, as in a ban.
-- +goose StatementBegin
create function follows_maintain_stats() returns trigger language plpgsql as $$
declare
    step   bigint := case when tg_op = 'INSERT' then 1 else -1 end;
    living bigint[];
begin
    if not exists (select 1 from changed) then
        return null;
    end if;
    living := array(
        select l.id
        from (select u.id, u.deleted_at is null and u.banned_at is null as lives from users u
              where u.id in (select follower_id from changed union select followee_id from changed)
              order by u.id offset 0 for share) l
        where l.lives);
    perform user_stats_move((select array_agg(m) from (
        select row(c.followee_id, 0, step, 0)::user_stats as m from changed c join unnest(living) l(id) on l.id = c.follower_id
        union all
        select row(c.follower_id, 0, 0, step)::user_stats from changed c join unnest(living) l(id) on l.id = c.followee_id) x));
    return null;
end $$;
-- +goose StatementEnd
create trigger follows_stats_insert after insert on follows referencing new table as changed
    for each statement execute function follows_maintain_stats();
create trigger follows_stats_delete after delete on follows referencing old table as changed
    for each statement execute function follows_maintain_stats();

-- Counters count living people: somebody who is deleted or banned leaves those of posts and of the people they follow and are
-- followed by, and enters them again when reinstated. A row that goes while its person is living takes them out too; what is
-- deleted along with it belongs to nobody by then.
-- +goose StatementBegin
create or replace function users_maintain_counts() returns trigger language plpgsql as $$
declare
    step bigint := case when tg_op = 'UPDATE' and new.deleted_at is null and new.banned_at is null then 1 else -1 end;
begin
    perform 1 from post_stats where post_id in (
        select post_id from likes where user_id = old.id
        union select post_id from comments where author_id = old.id and deleted_at is null)
    order by post_id for update;
    update post_stats s set like_count = greatest(0, s.like_count + step)
    from likes l where l.user_id = old.id and l.post_id = s.post_id;
    update post_stats s set comment_count = greatest(0, s.comment_count + step * c.n)
    from (select post_id, count(*) as n from comments where author_id = old.id and deleted_at is null group by post_id) c
    where c.post_id = s.post_id;
    perform user_stats_move((select array_agg(m) from (
        select row(f.followee_id, 0, step, 0)::user_stats as m from follows f where f.follower_id = old.id
        union all
        select row(f.follower_id, 0, 0, step)::user_stats from follows f where f.followee_id = old.id) x));
    return old;
end $$;
-- +goose StatementEnd
create trigger users_counts_delete before delete on users for each row
    when (old.deleted_at is null and old.banned_at is null)
    execute function users_maintain_counts();

-- As above: before, somebody who was just coming back was taken for gone without waiting.
create or replace function living(person bigint) returns setof bigint language sql volatile as
    $$ select l.id
       from (select u.id, u.deleted_at is null and u.banned_at is null as lives from users u where u.id = person offset 0 for share) l
       where l.lives $$;

-- What is there already. The foreign key and the triggers have locked out whoever would write meanwhile: for 0.6 s on
-- 600,000 posts and 900,000 follows.
insert into user_stats (user_id, post_count, follower_count, following_count)
select u.id, coalesce(p.n, 0), coalesce(a.n, 0), coalesce(b.n, 0)
from users u
left join (select author_id as id, count(*) as n from posts where deleted_at is null group by 1) p on p.id = u.id
left join (select f.followee_id as id, count(*) as n from follows f join users w on w.id = f.follower_id
           where w.deleted_at is null and w.banned_at is null group by 1) a on a.id = u.id
left join (select f.follower_id as id, count(*) as n from follows f join users w on w.id = f.followee_id
           where w.deleted_at is null and w.banned_at is null group by 1) b on b.id = u.id
where p.n > 0 or a.n > 0 or b.n > 0;

-- A person's counters, exact for the viewer: without the living people hidden from the viewer. As in post_counts(), the follows
-- are read from their index, or each hidden person is looked for among them, whichever is less.
create function user_counts(viewer bigint, person bigint) returns setof user_stats language sql stable as
    $$ select n.id, greatest(0, n.posts),
       greatest(0, n.followers - case
           when n.followers = 0 or n.hidden = 0 then 0
           when n.followers <= 16 * n.hidden then (
               select count(*) from follows f where f.followee_id = n.id
               and (f.follower_id in (select h.other_id from hidden h where h.viewer_id = viewer)) is true
               and (exists (select 1 from users g where g.id = f.follower_id and (g.deleted_at is not null or g.banned_at is not null)))::int <> 1)
           else (
               select count(*) from hidden h cross join lateral (
                   select x.follower_id from follows x where x.followee_id = n.id and x.follower_id = h.other_id offset 0) f
               where h.viewer_id = viewer
               and (exists (select 1 from users g where g.id = f.follower_id and (g.deleted_at is not null or g.banned_at is not null)))::int <> 1)
       end),
       greatest(0, n.followed - case
           when n.followed = 0 or n.hidden = 0 then 0
           when n.followed <= 16 * n.hidden then (
               select count(*) from follows f where f.follower_id = n.id
               and (f.followee_id in (select h.other_id from hidden h where h.viewer_id = viewer)) is true
               and (exists (select 1 from users g where g.id = f.followee_id and (g.deleted_at is not null or g.banned_at is not null)))::int <> 1)
           else (
               select count(*) from hidden h cross join lateral (
                   select x.followee_id from follows x where x.follower_id = n.id and x.followee_id = h.other_id offset 0) f
               where h.viewer_id = viewer
               and (exists (select 1 from users g where g.id = f.followee_id and (g.deleted_at is not null or g.banned_at is not null)))::int <> 1)
       end)
       from (select p.id, coalesce(s.post_count, 0) as posts, coalesce(s.follower_count, 0) as followers,
                    coalesce(s.following_count, 0) as followed,
                    (select count(*) from hidden h where h.viewer_id = viewer) as hidden
             from (select person as id) p left join user_stats s on s.user_id = p.id offset 0) n $$;

-- +goose Down
drop function user_counts(bigint, bigint);
drop trigger users_counts_delete on users;
create or replace function living(person bigint) returns setof bigint language sql volatile as
    $$ select u.id from users u where u.id = person and u.deleted_at is null and u.banned_at is null for share $$;
-- +goose StatementBegin
create or replace function users_maintain_counts() returns trigger language plpgsql as $$
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
drop trigger follows_stats_delete on follows;
drop trigger follows_stats_insert on follows;
drop function follows_maintain_stats();
drop trigger posts_stats_update on posts;
drop function posts_maintain_stats_of_one();
drop trigger posts_stats_delete on posts;
drop trigger posts_stats_insert on posts;
drop function posts_maintain_stats();
drop function user_stats_move(user_stats[]);
drop table user_stats;
