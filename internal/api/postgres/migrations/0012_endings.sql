-- platctl: allow C04 a release that does not know purge_at leaves it null, and answers a handle that is taken as it always did
-- platctl: allow C07 a stricter index of the same name takes its place before it goes, and no query names it in ON CONFLICT
-- +goose NO TRANSACTION
-- +goose Up
-- platctl: phase expand
-- The end of an account. deleted_at hides it at once; from purge_at on it may be purged, and until then it can be restored;
-- purge_started_at says that the purge has begun, from where there is no way back. What has to outlive a purge, a handle with
-- its ban, is an account with deleted_at and without purge_at. export_until is the lease of an export that runs.
alter table users add column purge_at timestamptz, add column purge_started_at timestamptz, add column export_until timestamptz;
update users set purge_at = deleted_at + interval '30 days' where deleted_at is not null;
alter table users add constraint users_purge_check check (purge_at is null or deleted_at is not null) not valid;
alter table users validate constraint users_purge_check;
create index concurrently users_purge_idx on users (purge_at) where purge_at is not null;

-- A handle stays taken until its account is purged: whoever came first after somebody left would pass for them.
create unique index concurrently users_handle_taken_key on users (lower(handle));
drop index concurrently users_handle_key;
alter index users_handle_taken_key rename to users_handle_key;

-- One index for the lists of an author and for the foreign key: the partial one could not find the deleted posts of an
-- account that goes. An index for the key alone would be the smaller one and taken for the lists, without their order.
create index concurrently posts_author_all_idx on posts (author_id, id desc) include (deleted_at);
drop index concurrently posts_author_idx;
alter index posts_author_all_idx rename to posts_author_idx;

-- What retention looks for.
create index concurrently posts_deleted_idx on posts (deleted_at) where deleted_at is not null;
create index concurrently comments_deleted_idx on comments (deleted_at) where deleted_at is not null;
create index concurrently sessions_revoked_idx on sessions (revoked_at) where revoked_at is not null;

-- The rows that are there satisfied a narrower rule, so they are not read again.
alter table sessions drop constraint sessions_revoked_reason_check;
alter table sessions add constraint sessions_revoked_reason_check
    check (revoked_reason in ('logout', 'revoked', 'password', 'reuse', 'ban', 'operator', 'limit', 'deleted')) not valid;

-- Locks a living person's row until the commit: a ban or a deletion waits, and then sees what was written meanwhile. Who
-- moves a counter asks this first, or the counter would count somebody who has just left it.
create function living(person bigint) returns setof bigint language sql volatile as
    $$ select u.id from users u where u.id = person and u.deleted_at is null and u.banned_at is null for share $$;

-- +goose Down
drop function living(bigint);
update sessions set revoked_reason = 'revoked' where revoked_reason = 'deleted';
alter table sessions drop constraint sessions_revoked_reason_check;
alter table sessions add constraint sessions_revoked_reason_check
    check (revoked_reason in ('logout', 'revoked', 'password', 'reuse', 'ban', 'operator', 'limit')) not valid;
drop index concurrently sessions_revoked_idx;
drop index concurrently comments_deleted_idx;
drop index concurrently posts_deleted_idx;
create index concurrently posts_author_live_idx on posts (author_id, id desc) where deleted_at is null;
drop index concurrently posts_author_idx;
alter index posts_author_live_idx rename to posts_author_idx;
create unique index concurrently users_handle_living_key on users (lower(handle)) where deleted_at is null;
drop index concurrently users_handle_key;
alter index users_handle_living_key rename to users_handle_key;
drop index concurrently users_purge_idx;
alter table users drop column export_until, drop column purge_started_at, drop column purge_at;
