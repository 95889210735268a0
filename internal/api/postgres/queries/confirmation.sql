-- name: CreateConfirmation :one
insert into confirmations (purpose, email, user_id, handle, display_name, password_hash)
values (@purpose, @email, sqlc.narg('user_id'), sqlc.narg('handle'), sqlc.narg('display_name'), sqlc.narg('password_hash'))
returning id;

-- name: ConfirmationToMail :one
-- No row: it was used, or is so late that nobody waits for it any more, or whoever asked is gone.
-- concealment: exempt a mail to the person themselves
select r.id, r.purpose, r.email, r.user_id, r.handle, r.password_hash, r.mailed_at, u.handle as asker
from confirmations r left join users u on u.id = r.user_id
where r.id = @id and r.used_at is null and r.created_at > now() - make_interval(secs => @late_seconds::float8)
  and (u.id is null or u.deleted_at is null and u.banned_at is null)
for update of r;

-- name: AddressOwner :one
-- concealment: exempt a mail to the person themselves
select id, handle, email::text as email, password_hash, banned_at from users where lower(email) = lower(@email::text) and deleted_at is null;

-- name: LockAddress :exec
-- Until the end of the transaction: of two mails to one address at once the second sees the first.
select pg_advisory_xact_lock(hashtextextended('mail:' || @purpose::text || ':' || lower(@email::text), 0));

-- name: AdmitMail :execrows
-- No row: the address has had its share of mails for this purpose.
update confirmations c set mailed_at = now()
where c.id = @id
  and not exists (select 1 from confirmations o where lower(o.email) = lower(c.email) and o.purpose = c.purpose
                  and o.mailed_at > now() - make_interval(secs => @pause_seconds::float8))
  and (select count(*) from confirmations o where lower(o.email) = lower(c.email) and o.purpose = c.purpose
       and o.mailed_at > now() - interval '1 hour') < @per_hour::int;

-- name: BindReset :exec
-- Whose password the reset replaces, and which one: it has no effect on any other.
update confirmations set user_id = @user_id, password_hash = @password_hash where id = @id;

-- name: DropConfirmation :exec
delete from confirmations where id = @id;

-- name: AddCode :exec
-- The newest few stay good: a mail may have arrived although its sending failed.
with stale as (
    delete from confirmation_codes where id in (
        select d.id from confirmation_codes d where d.confirmation_id = @confirmation_id order by d.id desc offset @keep::int)
)
insert into confirmation_codes (confirmation_id, selector, mac, expires_at)
values (@confirmation_id, @selector, @mac, now() + make_interval(secs => @life_seconds::float8));

-- name: TryCode :many
-- Spends a try of every code that may be meant, before anybody compares: however many guess at once, a code is compared
-- max_tries times. It is looked for by the account that asked where user_id is given, else by the address.
update confirmation_codes c set tries = c.tries + 1
from confirmations r
where c.selector = @selector and r.id = c.confirmation_id and r.purpose = @purpose and r.used_at is null
  and c.expires_at > now() and c.tries < @max_tries::int
  and case when @user_id::bigint > 0 then r.user_id = @user_id else lower(r.email) = lower(@email::text) end
returning c.mac, r.id, r.email, r.user_id, r.handle, r.display_name, r.password_hash;

-- name: UseConfirmation :execrows
-- Once: of two at once the second finds it used.
update confirmations set used_at = now(), password_hash = null where id = @id and used_at is null;

-- name: NoteReplacedAddress :exec
update confirmations set previous_email = sqlc.narg('previous_email') where id = @id;

-- name: ConfirmationToTell :one
-- concealment: exempt a mail to the person themselves
select r.purpose, r.previous_email, u.handle, u.email
from confirmations r join users u on u.id = r.user_id
where r.id = @id and r.used_at is not null and u.deleted_at is null and u.banned_at is null;
