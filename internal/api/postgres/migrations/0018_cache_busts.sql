-- +goose Up
-- platctl: phase expand
-- What servers must forget of the answers they keep: one row a statement that changed something answers are made of, written
-- by the triggers below in the writer's own transaction, so nobody who writes can forget it. '*' is everything. xid is read as
-- that of revocations is. Unlogged: a crash cuts every connection, and a server whose connection was cut forgets everything.
create unlogged table cache_busts (
    seq        bigint generated always as identity primary key,
    xid        xid8        not null default pg_current_xact_id(),
    tags       text[]      not null check (cardinality(tags) > 0),
    created_at timestamptz not null default clock_timestamp()
);
create index cache_busts_xid_idx on cache_busts (xid);

-- Beyond a thousand tags it is less work for everybody to forget everything.
create function cache_bust(tags text[]) returns void language sql as $$
    insert into cache_busts (tags)
    select case when cardinality(tags) > 1000 then array['*'] else tags end where cardinality(tags) > 0
$$;

-- +goose StatementBegin
create function cache_bust_all() returns trigger language plpgsql as $$
begin
    perform cache_bust(array['*']);
    return null;
end $$;
-- +goose StatementEnd

-- A product's own tag stands for what an answer shows of it. The tags of lists stand for which products are in them: their
-- farm's, their category's, all; list:stock is for lists of what can be bought, when the last of something goes or the first comes.
-- sold is in no answer.
-- +goose StatementBegin
create function products_cache_bust() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform cache_bust(array(select distinct t.tag from fresh n cross join lateral
            unnest(array['product:' || n.id, 'list:products', 'list:farm:' || n.farm_id, 'list:category:' || n.category]) t(tag) limit 1001));
    elsif tg_op = 'DELETE' then
        perform cache_bust(array(select distinct t.tag from stale o cross join lateral
            unnest(array['product:' || o.id, 'list:products', 'list:farm:' || o.farm_id, 'list:category:' || o.category]) t(tag) limit 1001));
    else
        perform cache_bust(array(select distinct t.tag from stale o full join fresh n on n.id = o.id cross join lateral (
            select unnest(array['product:' || o.id, 'product:' || n.id])
            where (o.id, o.farm_id, o.name, o.description, o.category, o.price, o.currency, o.unit, o.available, o.created_at, o.archived_at)
                is distinct from
                (n.id, n.farm_id, n.name, n.description, n.category, n.price, n.currency, n.unit, n.available, n.created_at, n.archived_at)
            union all
            select unnest(array['list:products', 'list:farm:' || o.farm_id, 'list:farm:' || n.farm_id,
                                'list:category:' || o.category, 'list:category:' || n.category])
            where (o.id, o.farm_id, o.name, o.description, o.category, o.price, o.archived_at)
                is distinct from (n.id, n.farm_id, n.name, n.description, n.category, n.price, n.archived_at)
            union all
            select 'list:stock' where (o.available > 0) is distinct from (n.available > 0)) t(tag)
            where t.tag is not null limit 1001));
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger products_cache_insert after insert on products referencing new table as fresh
    for each statement execute function products_cache_bust();
create trigger products_cache_update after update on products referencing old table as stale new table as fresh
    for each statement execute function products_cache_bust();
create trigger products_cache_delete after delete on products referencing old table as stale
    for each statement execute function products_cache_bust();
create trigger products_cache_truncate after truncate on products for each statement execute function cache_bust_all();

-- +goose StatementBegin
create function farms_cache_bust() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform cache_bust(array(select 'farm:' || n.id from fresh n limit 1001));
    elsif tg_op = 'DELETE' then
        perform cache_bust(array(select 'farm:' || o.id from stale o limit 1001));
    else
        perform cache_bust(array(select distinct t.tag from stale o full join fresh n on n.id = o.id
            cross join lateral unnest(array['farm:' || o.id, 'farm:' || n.id]) t(tag)
            where (o.id, o.name, o.description, o.currency, o.created_at) is distinct from (n.id, n.name, n.description, n.currency, n.created_at)
            and t.tag is not null limit 1001));
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger farms_cache_insert after insert on farms referencing new table as fresh
    for each statement execute function farms_cache_bust();
create trigger farms_cache_update after update on farms referencing old table as stale new table as fresh
    for each statement execute function farms_cache_bust();
create trigger farms_cache_delete after delete on farms referencing old table as stale
    for each statement execute function farms_cache_bust();
create trigger farms_cache_truncate after truncate on farms for each statement execute function cache_bust_all();

-- What a profile shows to anybody. Passwords and roles are in no answer, so that a login busts nothing.
-- +goose StatementBegin
create function users_cache_bust() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform cache_bust(array(select 'user:' || n.id from fresh n limit 1001));
    elsif tg_op = 'DELETE' then
        perform cache_bust(array(select 'user:' || o.id from stale o limit 1001));
    else
        perform cache_bust(array(select distinct t.tag from stale o full join fresh n on n.id = o.id
            cross join lateral unnest(array['user:' || o.id, 'user:' || n.id]) t(tag)
            where (o.id, o.handle, o.display_name, o.bio, o.created_at, o.deleted_at, o.banned_at)
                is distinct from (n.id, n.handle, n.display_name, n.bio, n.created_at, n.deleted_at, n.banned_at)
            and t.tag is not null limit 1001));
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger users_cache_insert after insert on users referencing new table as fresh
    for each statement execute function users_cache_bust();
create trigger users_cache_update after update on users referencing old table as stale new table as fresh
    for each statement execute function users_cache_bust();
create trigger users_cache_delete after delete on users referencing old table as stale
    for each statement execute function users_cache_bust();
create trigger users_cache_truncate after truncate on users for each statement execute function cache_bust_all();

-- +goose StatementBegin
create function user_stats_cache_bust() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform cache_bust(array(select 'user:' || n.user_id from fresh n limit 1001));
    elsif tg_op = 'DELETE' then
        perform cache_bust(array(select 'user:' || o.user_id from stale o limit 1001));
    else
        perform cache_bust(array(select distinct t.tag from stale o full join fresh n on n.user_id = o.user_id
            cross join lateral unnest(array['user:' || o.user_id, 'user:' || n.user_id]) t(tag)
            where (o.user_id, o.post_count, o.follower_count, o.following_count)
                is distinct from (n.user_id, n.post_count, n.follower_count, n.following_count)
            and t.tag is not null limit 1001));
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger user_stats_cache_insert after insert on user_stats referencing new table as fresh
    for each statement execute function user_stats_cache_bust();
create trigger user_stats_cache_update after update on user_stats referencing old table as stale new table as fresh
    for each statement execute function user_stats_cache_bust();
create trigger user_stats_cache_delete after delete on user_stats referencing old table as stale
    for each statement execute function user_stats_cache_bust();
create trigger user_stats_cache_truncate after truncate on user_stats for each statement execute function cache_bust_all();

-- +goose Down
drop trigger user_stats_cache_truncate on user_stats;
drop trigger user_stats_cache_delete on user_stats;
drop trigger user_stats_cache_update on user_stats;
drop trigger user_stats_cache_insert on user_stats;
drop function user_stats_cache_bust();
drop trigger users_cache_truncate on users;
drop trigger users_cache_delete on users;
drop trigger users_cache_update on users;
drop trigger users_cache_insert on users;
drop function users_cache_bust();
drop trigger farms_cache_truncate on farms;
drop trigger farms_cache_delete on farms;
drop trigger farms_cache_update on farms;
drop trigger farms_cache_insert on farms;
drop function farms_cache_bust();
drop trigger products_cache_truncate on products;
drop trigger products_cache_delete on products;
drop trigger products_cache_update on products;
drop trigger products_cache_insert on products;
drop function products_cache_bust();
drop function cache_bust_all();
drop function cache_bust(text[]);
drop table cache_busts;
