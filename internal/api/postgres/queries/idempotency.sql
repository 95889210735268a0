-- name: ClaimKey :one
-- Takes a key that is free, or whose time is over. No row: somebody has it.
insert into idempotency_keys as k (account_id, key, fingerprint) values (@account_id, @key, @fingerprint)
on conflict (account_id, key) do update
set fingerprint = excluded.fingerprint, state = 'running', status = null, content_type = null, body = null, created_at = clock_timestamp()
where k.created_at < now() - make_interval(secs => @keep_seconds::float8)
returning created_at;

-- name: ReadKey :one
select fingerprint, state, status, content_type, body,
       (created_at < now() - make_interval(secs => @dead_seconds::float8))::bool as dead
from idempotency_keys where account_id = @account_id and key = @key;

-- name: KeepAnswer :execrows
update idempotency_keys set state = 'done', status = @status::int, content_type = @content_type::text, body = @body::bytea
where account_id = @account_id and key = @key and created_at = @created_at and state = 'running';

-- name: LoseAnswer :exec
-- Nobody knows whether the request was carried out.
update idempotency_keys set state = 'unknown'
where account_id = @account_id and key = @key and created_at = @created_at and state = 'running';

-- name: ReleaseKey :exec
delete from idempotency_keys where account_id = @account_id and key = @key and created_at = @created_at and state = 'running';
