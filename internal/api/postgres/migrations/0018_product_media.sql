-- +goose Up
-- platctl: phase expand
-- The pictures of a product, sent by members of its farm.
create table product_media (
    product_id bigint   not null references products (id) on delete cascade,
    position   smallint not null check (position between 1 and 4),
    media_id   bigint   not null unique references media (id) on delete cascade,
    primary key (product_id, position)
);
create view product_pictures as
select a.product_id, a.position, jsonb_build_object('id', m.id, 'key', b.key, 'sizes', b.sizes) as picture
from product_media a join media m on m.id = a.media_id join media_blobs b on b.id = m.blob_id and b.state = 'ready';

-- +goose Down
drop view product_pictures;
drop table product_media;
