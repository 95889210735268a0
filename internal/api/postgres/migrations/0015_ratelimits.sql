-- +goose NO TRANSACTION
-- +goose Up
-- platctl: phase expand
-- Moderators and admins are few, and every server asks for all of them now and then: they have limits of their own.
create index concurrently users_staff_idx on users (id) where role <> 'member';

-- Every policy that was ever in force; the newest version is. The text is the file that `platctl ratelimit show --export`
-- prints.
create table ratelimit_policies (
    version    bigint      primary key check (version > 0),
    policy     text        not null check (octet_length(policy) <= 262144),
    author     text        not null check (char_length(author) between 1 and 200),
    why        text        not null check (char_length(why) between 1 and 1000),
    applied_at timestamptz not null default now()
);

-- What a client owes of a limit that several servers share, with the last thing asked of it: used is booked, granted is the
-- part of want that was lent. Unlogged: after a crash everybody owes nothing, and a commit costs no write to disk.
create unlogged table ratelimit_accounts (
    bucket     text        not null,
    client     bytea       not null check (octet_length(client) = 16),
    owed       float8      not null check (owed >= 0),
    at         timestamptz not null,
    per_second float8      not null check (per_second > 0),
    burst      bigint      not null,
    used       bigint      not null,
    want       bigint      not null,
    granted    bigint      not null,
    primary key (bucket, client)
) with (fillfactor = 50);

-- What is left of a debt after a while.
create function ratelimit_owed(owed float8, at timestamptz, per_second float8, until timestamptz) returns float8
language sql immutable as
    $$ select greatest(0, owed - greatest(0, extract(epoch from until - at)::float8) * per_second) $$;

-- Attempts at a password since the last right one. client is the hash of a handle, whether somebody has it or not, or of a
-- handle and an address from which the right password came until known_until: guessing elsewhere does not lock its owner out.
create unlogged table login_attempts (
    client      bytea       primary key check (octet_length(client) = 16),
    attempts    int         not null,
    next_at     timestamptz not null,
    last_at     timestamptz not null,
    known_until timestamptz
) with (fillfactor = 70);
create index login_attempts_last_idx on login_attempts (last_at);

-- The number of an attempt: after a while without any the counting begins again.
create function login_attempt(attempts int, last_at timestamptz, forget_seconds float8) returns int language sql stable as
    $$ select 1 + case when last_at < now() - make_interval(secs => forget_seconds) then 0 else attempts end $$;

-- How long the next attempt has to wait after one.
create function login_wait(attempt int, free int, first_seconds float8, longest_seconds float8) returns interval
language sql immutable as
    $$ select make_interval(secs => case when attempt < free then 0
                                    else least(longest_seconds, first_seconds * power(2, least(attempt - free, 30))) end) $$;

-- +goose Down
drop function login_wait(int, int, float8, float8);
drop function login_attempt(int, timestamptz, float8);
drop table login_attempts;
drop function ratelimit_owed(float8, timestamptz, float8, timestamptz);
drop table ratelimit_accounts;
drop table ratelimit_policies;
drop index concurrently users_staff_idx;
