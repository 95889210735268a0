-- name: RatelimitState :one
-- What every server asks twice a second: the newest version, and how many servers are alive.
select coalesce((select max(p.version) from ratelimit_policies p), 0)::bigint as version,
       (select count(*) from replicas r where r.applied_at > now() - interval '5 seconds') as servers;

-- name: RatelimitPolicy :one
select version, policy, author, why, applied_at from ratelimit_policies where version = @version;

-- name: RatelimitNewest :one
select version, policy, author, why, applied_at from ratelimit_policies order by version desc limit 1;

-- name: RatelimitHistory :many
select version, policy, author, why, applied_at from ratelimit_policies
where version < @before_version::bigint
order by version desc
limit @page_size::int;

-- name: ApplyRatelimitPolicy :exec
-- A version that is there already is somebody else's: two who apply at once can not overwrite each other.
insert into ratelimit_policies (version, policy, author, why) values (@version::bigint, @policy::text, @author::text, @why::text);

-- name: Staff :many
-- concealment: exempt servers know who looks after the others
select id from users where role <> 'member' order by id limit 10000;

-- name: LendUnits :many
-- Books what was used without asking and lends up to what is wanted, whole units only. Ordered, so that two servers lock the
-- accounts in the same order. A new account owes nothing yet.
insert into ratelimit_accounts as a (bucket, client, owed, at, per_second, burst, used, want, granted)
select x.bucket, x.client, x.used + greatest(0, least(x.want, x.burst - x.used)), clock_timestamp(), x.per_second, x.burst, x.used, x.want,
       greatest(0, least(x.want, x.burst - x.used))
from (select unnest(@buckets::text[]) as bucket, unnest(@clients::bytea[]) as client, unnest(@per_second::float8[]) as per_second,
             unnest(@bursts::bigint[]) as burst, unnest(@used::bigint[]) as used, unnest(@wants::bigint[]) as want) x
order by x.bucket, x.client
on conflict (bucket, client) do update
set owed = ratelimit_owed(a.owed, a.at, excluded.per_second, excluded.at) + excluded.used
        + greatest(0, least(excluded.want, floor(excluded.burst - excluded.used - ratelimit_owed(a.owed, a.at, excluded.per_second, excluded.at)))),
    at = greatest(a.at, excluded.at), per_second = excluded.per_second, burst = excluded.burst, used = excluded.used, want = excluded.want,
    granted = greatest(0, least(excluded.want, floor(excluded.burst - excluded.used - ratelimit_owed(a.owed, a.at, excluded.per_second, excluded.at))))
returning bucket, client, granted, owed;

-- name: RatelimitDebts :many
-- Who owes something, the latest first.
select bucket, client, ratelimit_owed(owed, at, per_second, clock_timestamp())::float8 as owed
from ratelimit_accounts
where ratelimit_owed(owed, at, per_second, clock_timestamp()) > 0
order by at desc
limit 4096;

-- name: TidyRatelimits :exec
-- Accounts that owe nothing, and attempts that are forgotten. Whoever lends right now is left alone.
with a as (
    delete from ratelimit_accounts d using (
        select g.bucket, g.client from ratelimit_accounts g
        where ratelimit_owed(g.owed, g.at, g.per_second, clock_timestamp()) <= 0 limit 10000 for update skip locked) gone
    where d.bucket = gone.bucket and d.client = gone.client
)
delete from login_attempts
where client in (select l.client from login_attempts l
                 where l.last_at < now() - interval '1 day' and (l.known_until is null or l.known_until < now()) limit 1000);

-- name: TryPassword :one
-- An attempt is counted before the password is looked at, so that many at once do not all count as the first. After @free
-- attempts each has to wait for twice as long as the one before. Attempts are forgotten after a while without any.
with who as (
    select coalesce((select k.client from login_attempts k where k.client = @place::bytea and k.known_until > now()), @account::bytea) as client
), tried as (
    insert into login_attempts as l (client, attempts, next_at, last_at)
    select who.client, 1, now() + login_wait(1, @free::int, @first_seconds::float8, @longest_seconds::float8), now() from who
    on conflict (client) do update
    set attempts = login_attempt(l.attempts, l.last_at, @forget_seconds::float8),
        next_at = now() + login_wait(login_attempt(l.attempts, l.last_at, @forget_seconds::float8), @free::int, @first_seconds::float8, @longest_seconds::float8),
        last_at = now()
    where l.next_at <= now()
    returning l.client
)
select who.client::bytea as client, exists (select 1 from tried) as admitted,
       coalesce((select extract(epoch from l.next_at - now()) from login_attempts l where l.client = who.client), 0)::float8 as wait_seconds
from who;

-- name: PasswordWasRight :exec
-- The attempts at this handle, or at this handle from this place, are over; the place is known for a while.
with over as (
    delete from login_attempts l where l.client = @attempt::bytea and l.client <> @place::bytea
)
insert into login_attempts as l (client, attempts, next_at, last_at, known_until)
values (@place::bytea, 0, now(), now(), now() + make_interval(secs => @known_seconds::float8))
on conflict (client) do update
set attempts = 0, next_at = excluded.next_at, last_at = excluded.last_at, known_until = excluded.known_until;
