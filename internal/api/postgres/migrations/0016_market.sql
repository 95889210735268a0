-- platctl: allow L08 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L09 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L11 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L32 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow L35 of the first release: the table has no rows yet, and nobody uses it
-- platctl: allow C04 what follows, likes and comments write has neither an order nor a status, and has an actor
-- platctl: allow C05 of the first release: none before it reads notifications
-- +goose Up
-- platctl: phase expand
alter table farms add column description text not null default '' check (char_length(description) <= 2000);
-- Every price of a farm is in its currency.
alter table farms add column currency text not null default 'EUR' check (currency ~ '^[A-Z]{3}$');

-- Who acts for a farm. Owners choose its members; a farm keeps one.
create table farm_members (
    farm_id    bigint      not null references farms (id) on delete cascade,
    user_id    bigint      not null references users (id) on delete cascade,
    role       text        not null check (role in ('owner', 'member')),
    created_at timestamptz not null default now(),
    primary key (farm_id, user_id)
);
create index farm_members_user_idx on farm_members (user_id, farm_id desc);

-- sold is derived: the units in orders that are not cancelled. It moves with available in the same statement, so that drift of
-- the one is found by counting the other. Room on the page keeps both out of the indexes.
alter table products add column sold bigint not null default 0;
alter table products add constraint products_sold_check check (sold >= 0) not valid;
alter table products set (fillfactor = 90);

create table cart_items (
    user_id    bigint      not null references users (id) on delete cascade,
    product_id bigint      not null references products (id) on delete cascade,
    quantity   bigint      not null check (quantity between 1 and 1000),
    updated_at timestamptz not null default now(),
    primary key (user_id, product_id)
);
create index cart_items_product_idx on cart_items (product_id);

-- An order is a record of commerce: it outlives its buyer's account, and so do its lines the products. The key is written
-- with the order, in one row, so no crash makes two orders of one key.
create table orders (
    id              bigint generated always as identity primary key,
    buyer_id        bigint      references users (id) on delete set null,
    farm_id         bigint      not null references farms (id),
    status          text        not null check (status in ('placed', 'confirmed', 'ready', 'completed', 'cancelled')),
    currency        text        not null check (currency ~ '^[A-Z]{3}$'),
    total           bigint      not null check (total >= 0), -- smallest unit of the currency
    note            text        not null default '' check (char_length(note) <= 500),
    idempotency_key text        not null check (idempotency_key ~ '^[!-~]{1,255}$'),
    request_hash    bytea       not null check (octet_length(request_hash) = 32),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);
create unique index orders_key on orders (buyer_id, idempotency_key);
create index orders_buyer_idx on orders (buyer_id, id desc);
create index orders_farm_idx on orders (farm_id, id desc);
create index orders_farm_status_idx on orders (farm_id, status, id desc);

-- Name, unit and price as they were when the order was placed.
create table order_lines (
    order_id   bigint not null references orders (id) on delete cascade,
    product_id bigint not null references products (id),
    name       text   not null,
    unit       text   not null,
    price      bigint not null check (price >= 0),
    quantity   bigint not null check (quantity between 1 and 1000),
    primary key (order_id, product_id)
);
create index order_lines_product_idx on order_lines (product_id);

-- Every step of an order, the first from nothing.
create table order_events (
    id          bigint generated always as identity primary key,
    order_id    bigint      not null references orders (id) on delete cascade,
    actor_id    bigint      references users (id) on delete set null,
    side        text        not null check (side in ('buyer', 'farm', 'system')),
    from_status text,
    to_status   text        not null,
    reason      text        not null default '' check (char_length(reason) <= 200),
    created_at  timestamptz not null default now()
);
create index order_events_order_idx on order_events (order_id, id);
create index order_events_actor_idx on order_events (actor_id);

-- What is owed for an order. authorizing, capturing and voiding are intents: they are written before the payment provider is
-- called and resolved after it answered. One that stays is the trace of a crash in between, and a job takes it up.
create table payments (
    order_id   bigint      primary key references orders (id) on delete cascade,
    method     text        not null,
    status     text        not null check (status in ('authorizing', 'due', 'capturing', 'paid', 'voiding', 'void', 'declined')),
    currency   text        not null,
    amount     bigint      not null check (amount >= 0),
    reference  text        not null default '', -- the provider's
    updated_at timestamptz not null default now()
);
create index payments_open_idx on payments (updated_at) where status in ('authorizing', 'capturing', 'voiding');

-- Answers kept for clients that ask again. A row without an answer is a request under way: it is committed before the request
-- is worked on, so a request whose server died is known to have begun.
create table idempotency_keys (
    account_id   bigint      not null references users (id) on delete cascade,
    key          text        not null check (key ~ '^[!-~]{1,255}$'),
    fingerprint  bytea       not null check (octet_length(fingerprint) = 32),
    state        text        not null default 'running' check (state in ('running', 'done', 'unknown')),
    status       integer,
    content_type text,
    body         bytea,
    created_at   timestamptz not null default now(),
    primary key (account_id, key),
    check ((state = 'done') = (status is not null and content_type is not null and body is not null))
);
create index idempotency_keys_created_idx on idempotency_keys (created_at);

-- A notification of an order names the order and nobody, so that there is nobody to hide: an order is between a buyer and a
-- farm, and stays readable to both after a block. The rows that are there satisfied a narrower rule; the next migration reads
-- them again without a lock that stops writers.
alter table notifications alter column actor_id drop not null;
alter table notifications add column order_id bigint references orders (id) on delete cascade;
alter table notifications add column order_status text;
alter table notifications drop constraint notifications_kind_check;
alter table notifications add constraint notifications_kind_check check (kind in ('follow', 'like', 'comment', 'order')) not valid;
alter table notifications add constraint notifications_order_check check (
    (kind = 'order') = (order_id is not null) and (kind = 'order') = (order_status is not null) and (kind = 'order') = (actor_id is null)) not valid;

-- +goose Down
delete from notifications where kind = 'order';
alter table notifications drop constraint notifications_order_check;
alter table notifications drop constraint notifications_kind_check;
alter table notifications add constraint notifications_kind_check check (kind in ('follow', 'like', 'comment'));
alter table notifications drop column order_status;
alter table notifications drop column order_id;
alter table notifications alter column actor_id set not null;
drop table idempotency_keys;
drop table payments;
drop table order_events;
drop table order_lines;
drop table orders;
drop table cart_items;
alter table products reset (fillfactor);
alter table products drop column sold;
drop table farm_members;
alter table farms drop column currency;
alter table farms drop column description;
