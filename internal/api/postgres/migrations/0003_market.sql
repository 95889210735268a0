-- +goose Up
-- platctl: phase expand
create table farms (
    id         bigint generated always as identity primary key,
    name       text        not null check (char_length(name) between 1 and 120),
    created_at timestamptz not null default now()
);
create unique index farms_name_key on farms (lower(name));

create table products (
    id          bigint generated always as identity primary key,
    farm_id     bigint      not null references farms (id) on delete cascade,
    name        text        not null check (char_length(name) between 1 and 120),
    description text        not null default '',
    category    text        not null,
    price       bigint      not null check (price >= 0), -- smallest unit of the currency
    currency    text        not null default 'EUR' check (currency ~ '^[A-Z]{3}$'),
    unit        text        not null,
    available   bigint      not null default 0 check (available >= 0),
    created_at  timestamptz not null default now(),
    archived_at timestamptz
);
create index products_farm_idx on products (farm_id);
create index products_live_idx on products (id desc) where archived_at is null;

-- +goose Down
drop table products;
drop table farms;
