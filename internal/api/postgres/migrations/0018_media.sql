-- +goose Up
-- platctl: phase expand
-- The bytes of an upload, once for an owner who sends the same ones again, and what became of them. key is what nobody can
-- guess: the names of the pictures that were made begin with it. staging is where the upload lies until it is not needed any more.
-- Somebody who is purged leaves blobs without an owner; the next clean-up removes them with their objects.
create table media_blobs (
    id            bigint generated always as identity primary key,
    owner_id      bigint      references users (id) on delete set null,
    sha256        bytea       not null check (octet_length(sha256) = 32),
    content_type  text        not null, -- as announced: the same bytes announced otherwise are another verdict
    bytes         bigint      not null check (bytes > 0),
    key           text        not null unique,
    staging       text        unique,
    state         text        not null default 'processing' check (state in ('processing', 'ready', 'failed', 'dropped')),
    code          text,       -- why it failed, or why it is tried again
    detail        text        not null default '',
    sizes         jsonb       not null default '[]', -- [{"w":1600,"h":1200,"bytes":74682}], largest first
    tries         int         not null default 0, -- that ended without a verdict
    rescues       int         not null default 0, -- claims whose holder was not heard of again
    claim         bigint      not null default 0, -- counts claims: whoever holds an older one changes nothing
    claimed_until timestamptz,
    created_at    timestamptz not null default now(),
    finished_at   timestamptz,
    check (state <> 'failed' or code is not null)
);
create unique index media_blobs_content_key on media_blobs (owner_id, sha256, content_type) where state in ('processing', 'ready');
create index media_blobs_owner_idx on media_blobs (owner_id);
create index media_blobs_pending_idx on media_blobs (created_at) where state = 'processing';
create index media_blobs_staged_idx on media_blobs (finished_at) where state = 'failed' and staging is not null;
create index media_blobs_dropped_idx on media_blobs (id) where state = 'dropped';

-- A picture of somebody's, announced and, once it has a blob, sent.
create table media (
    id           bigint generated always as identity primary key,
    owner_id     bigint      not null references users (id) on delete cascade,
    purpose      text        not null check (purpose in ('post', 'avatar', 'product')),
    content_type text        not null,
    bytes        bigint      not null check (bytes > 0),
    blob_id      bigint      references media_blobs (id),
    expired_at   timestamptz, -- its bytes never came
    created_at   timestamptz not null default now()
);
create index media_owner_idx on media (owner_id);
create index media_blob_idx on media (blob_id);
create index media_created_idx on media (created_at);

-- What a picture is attached to: one thing at the most.
create table post_media (
    post_id  bigint   not null references posts (id) on delete cascade,
    position smallint not null check (position between 1 and 4),
    media_id bigint   not null unique references media (id) on delete cascade,
    primary key (post_id, position)
);
create table avatars (
    user_id  bigint primary key references users (id) on delete cascade,
    media_id bigint not null unique references media (id) on delete cascade
);
-- The pictures of a product, sent by members of its farm.
create table product_media (
    product_id bigint   not null references products (id) on delete cascade,
    position   smallint not null check (position between 1 and 4),
    media_id   bigint   not null unique references media (id) on delete cascade,
    primary key (product_id, position)
);

-- The pictures that can be shown, as JSON that the API reads: of a post all of them, in order, of a person one.
create view post_pictures as
select a.post_id, a.position, jsonb_build_object('id', m.id, 'key', b.key, 'sizes', b.sizes) as picture
from post_media a join media m on m.id = a.media_id join media_blobs b on b.id = m.blob_id and b.state = 'ready';
create view avatar_pictures as
select a.user_id, jsonb_build_object('id', m.id, 'key', b.key, 'sizes', b.sizes) as picture
from avatars a join media m on m.id = a.media_id join media_blobs b on b.id = m.blob_id and b.state = 'ready';
create view product_pictures as
select a.product_id, a.position, jsonb_build_object('id', m.id, 'key', b.key, 'sizes', b.sizes) as picture
from product_media a join media m on m.id = a.media_id join media_blobs b on b.id = m.blob_id and b.state = 'ready';

-- +goose Down
drop view product_pictures;
drop view avatar_pictures;
drop view post_pictures;
drop table avatars;
drop table product_media;
drop table post_media;
drop table media;
drop table media_blobs;
