-- +goose NO TRANSACTION
-- +goose Up
-- platctl: phase expand
-- An address stands on an account only after a code that was mailed to it came back: nobody can take another's by claiming it.
alter table users add column email text, add column email_verified_at timestamptz;
alter table users add constraint users_email_check
    check ((email is null) = (email_verified_at is null) and octet_length(email) <= 254) not valid;
alter table users validate constraint users_email_check;
create unique index concurrently users_email_key on users (lower(email)) where email is not null;

-- Something that waits for a code: an account to be (signup), the address of an account (email), a new password (reset). A row
-- without codes is a mail that asked for none. mailed_at is when it was let through the limits of its address.
create table confirmations (
    id             bigint generated always as identity primary key,
    purpose        text        not null check (purpose in ('signup', 'email', 'reset')),
    email          text        not null check (octet_length(email) between 3 and 254),
    user_id        bigint      references users (id) on delete cascade,
    handle         text,
    display_name   text,
    password_hash  text, -- signup: of the account to be; reset: the one to be replaced, so that it replaces no other
    previous_email text, -- email: the address that was replaced
    created_at     timestamptz not null default now(),
    mailed_at      timestamptz,
    used_at        timestamptz,
    check (purpose <> 'signup' or handle is not null and display_name is not null and user_id is null),
    check (purpose <> 'email' or user_id is not null)
);
create index confirmations_address_idx on confirmations (lower(email), purpose, mailed_at);
create index confirmations_user_idx on confirmations (user_id);
create index confirmations_created_idx on confirmations (created_at);

-- The codes of a confirmation: one for each mail that was sent or tried. A code names itself by its first characters, the
-- selector; only a keyed hash of it is here.
create table confirmation_codes (
    id              bigint generated always as identity primary key,
    confirmation_id bigint      not null references confirmations (id) on delete cascade,
    selector        text        not null,
    mac             bytea       not null check (octet_length(mac) = 32),
    tries           int         not null default 0,
    expires_at      timestamptz not null
);
create index confirmation_codes_confirmation_idx on confirmation_codes (confirmation_id);
create index confirmation_codes_selector_idx on confirmation_codes (selector);

-- +goose Down
drop table confirmation_codes;
drop table confirmations;
drop index concurrently users_email_key;
alter table users drop constraint users_email_check, drop column email_verified_at, drop column email;
