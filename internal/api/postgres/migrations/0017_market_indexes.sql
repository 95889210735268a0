-- +goose NO TRANSACTION
-- +goose Up
-- platctl: phase expand
-- The ways into the catalogue: by words, by farm and by category, newest first. Price and stock filter what these yield.
create index concurrently products_search_idx on products using gin (to_tsvector('simple', name || ' ' || description))
    where archived_at is null;
-- The farm's also serves its foreign key, so the old one goes.
create index concurrently products_farm_list_idx on products (farm_id, id desc);
drop index concurrently products_farm_idx;
create index concurrently products_category_idx on products (category, id desc) where archived_at is null;
create index concurrently notifications_order_idx on notifications (order_id) where order_id is not null;
alter table products validate constraint products_sold_check;
alter table notifications validate constraint notifications_kind_check;
alter table notifications validate constraint notifications_order_check;

-- +goose Down
drop index concurrently notifications_order_idx;
drop index concurrently products_category_idx;
create index concurrently products_farm_idx on products (farm_id);
drop index concurrently products_farm_list_idx;
drop index concurrently products_search_idx;
