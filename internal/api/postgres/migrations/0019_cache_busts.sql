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

-- What pictures an answer shows depends on who is attached to what, and on whether its bytes are ready. Whoever attaches a picture
-- and whoever makes it ready at the same moment do not see each other, and neither would bust what shows it: so attaching
-- locks the picture and its bytes until the commit, and the other one waits and then sees the attachment, or was first.
-- +goose StatementBegin
create function attachments_cache_bust() returns trigger language plpgsql as $$
declare
    kind  text := tg_argv[0];
    owner text := tg_argv[1]; -- the column
begin
    if tg_op <> 'DELETE' then
        perform 1 from media m where m.id in (select n.media_id from fresh n) order by m.id for share;
        perform 1 from media_blobs b where b.id in (select m.blob_id from media m where m.id in (select n.media_id from fresh n)) order by b.id for share;
    end if;
    if tg_op <> 'INSERT' then
        perform cache_bust(array(select distinct kind || ':' || (to_jsonb(o)->>owner) from stale o limit 1001));
    end if;
    if tg_op <> 'DELETE' then
        perform cache_bust(array(select distinct kind || ':' || (to_jsonb(n)->>owner) from fresh n limit 1001));
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger product_media_cache_insert after insert on product_media referencing new table as fresh
    for each statement execute function attachments_cache_bust('product', 'product_id');
create trigger product_media_cache_update after update on product_media referencing old table as stale new table as fresh
    for each statement execute function attachments_cache_bust('product', 'product_id');
create trigger product_media_cache_delete after delete on product_media referencing old table as stale
    for each statement execute function attachments_cache_bust('product', 'product_id');
create trigger product_media_cache_truncate after truncate on product_media for each statement execute function cache_bust_all();
create trigger avatars_cache_insert after insert on avatars referencing new table as fresh
    for each statement execute function attachments_cache_bust('user', 'user_id');
create trigger avatars_cache_update after update on avatars referencing old table as stale new table as fresh
    for each statement execute function attachments_cache_bust('user', 'user_id');
create trigger avatars_cache_delete after delete on avatars referencing old table as stale
    for each statement execute function attachments_cache_bust('user', 'user_id');
create trigger avatars_cache_truncate after truncate on avatars for each statement execute function cache_bust_all();

-- The tags of what shows pictures.
create function pictures_tags(pictures bigint[]) returns setof text language sql stable as $$
    select 'product:' || a.product_id from product_media a where a.media_id = any (pictures)
    union select 'user:' || a.user_id from avatars a where a.media_id = any (pictures)
    limit 1001
$$;

-- One that is new is attached to nothing, and one that goes takes its attachments with it, which tell of it themselves.
-- +goose StatementBegin
create function media_cache_bust() returns trigger language plpgsql as $$
begin
    perform cache_bust(array(select pictures_tags(array(
        select n.id from stale o join fresh n on n.id = o.id where o.blob_id is distinct from n.blob_id))));
    return null;
end $$;
-- +goose StatementEnd
create trigger media_cache_update after update on media referencing old table as stale new table as fresh
    for each statement execute function media_cache_bust();
create trigger media_cache_truncate after truncate on media for each statement execute function cache_bust_all();

-- +goose StatementBegin
create function media_blobs_cache_bust() returns trigger language plpgsql as $$
begin
    perform cache_bust(array(select pictures_tags(array(
        select m.id from stale o join fresh n on n.id = o.id join media m on m.blob_id = n.id
        where (o.key, o.sizes, o.state) is distinct from (n.key, n.sizes, n.state)))));
    return null;
end $$;
-- +goose StatementEnd
create trigger media_blobs_cache_update after update on media_blobs referencing old table as stale new table as fresh
    for each statement execute function media_blobs_cache_bust();
create trigger media_blobs_cache_truncate after truncate on media_blobs for each statement execute function cache_bust_all();

-- +goose Down
drop trigger media_blobs_cache_truncate on media_blobs;
drop trigger media_blobs_cache_update on media_blobs;
drop function media_blobs_cache_bust();
drop trigger media_cache_truncate on media;
drop trigger media_cache_update on media;
drop function media_cache_bust();
drop function pictures_tags(bigint[]);
drop trigger avatars_cache_truncate on avatars;
drop trigger avatars_cache_delete on avatars;
drop trigger avatars_cache_update on avatars;
drop trigger avatars_cache_insert on avatars;
drop trigger product_media_cache_truncate on product_media;
drop trigger product_media_cache_delete on product_media;
drop trigger product_media_cache_update on product_media;
drop trigger product_media_cache_insert on product_media;
drop function attachments_cache_bust();
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
