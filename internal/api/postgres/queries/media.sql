-- name: LockMediaOwner :exec
-- One announcement of an owner at a time, so that a quota holds.
select pg_advisory_xact_lock(hashtextextended('media:' || @owner_id::bigint, 0));

-- name: CreateMedia :one
-- No row: the quota is used up, or the account is gone.
insert into media (owner_id, purpose, content_type, bytes)
select u.id, @purpose, @content_type, @bytes::bigint
from visible_users(@owner_id::bigint) u
where u.id = @owner_id::bigint
  and (select count(*) < @max_files::bigint and coalesce(sum(m.bytes), 0) + @bytes::bigint <= @max_bytes::bigint
       from media m where m.owner_id = @owner_id::bigint)
returning id, created_at;

-- name: GetMedia :one
select m.id, m.purpose, m.content_type, m.bytes, m.created_at, (m.expired_at is not null)::bool as expired, m.blob_id,
       b.state, b.code, b.detail, b.key, b.sizes, b.sha256
from media m left join media_blobs b on b.id = m.blob_id
where m.id = @id::bigint and m.owner_id = @owner_id::bigint;

-- name: LockMedia :one
-- The picture's blob, locked against a second upload at the same time.
select blob_id, (expired_at is not null)::bool as expired from media where id = @id::bigint and owner_id = @owner_id::bigint for update;

-- name: SameBlob :one
-- A blob of the owner's with the same bytes, kept from being dropped until the commit.
select id from media_blobs
where owner_id = @owner_id::bigint and sha256 = @sha256 and content_type = @content_type and state in ('processing', 'ready')
for share;

-- name: CreateBlob :one
insert into media_blobs (owner_id, sha256, content_type, bytes, key, staging)
values (@owner_id::bigint, @sha256, @content_type, @bytes, @key, @staging::text)
returning id;

-- name: SetMediaBlob :exec
update media set blob_id = @blob_id::bigint where id = @id::bigint;

-- name: DeleteMedia :one
delete from media where id = @id::bigint and owner_id = @owner_id::bigint returning blob_id;

-- name: UsableMedia :many
-- Which of some pictures their owner may attach now.
select m.id from media m join media_blobs b on b.id = m.blob_id
where m.id = any(@ids::bigint[]) and m.owner_id = @owner_id::bigint and m.purpose = @purpose and b.state in ('processing', 'ready')
  and not exists (select 1 from post_media a where a.media_id = m.id);

-- name: ClaimBlob :one
-- Takes a blob to work on for a while. A claim that ran out was somebody's who is gone. No row: there is nothing to do.
update media_blobs
set claim = claim + 1, claimed_until = now() + make_interval(secs => @lease_seconds::float8),
    rescues = rescues + case when claimed_until is null then 0 else 1 end
where id = @id::bigint and state = 'processing' and (claimed_until is null or claimed_until < now())
returning id, content_type, bytes, sha256, key, coalesce(staging, '')::text as staging, tries, rescues, claim,
          extract(epoch from now() - created_at)::float8 as age_seconds;

-- name: ReleaseBlob :execrows
-- Gives a claim back, with why.
update media_blobs set claimed_until = null, tries = tries + @counted::int, code = @code::text, detail = @detail
where id = @id::bigint and claim = @claim::bigint and state = 'processing';

-- name: FinishBlob :execrows
update media_blobs
set state = @state, code = sqlc.narg('code')::text, detail = @detail, sizes = @sizes, claimed_until = null, finished_at = now()
where id = @id::bigint and claim = @claim::bigint and state = 'processing';

-- name: ForgetStaging :exec
update media_blobs set staging = null where id = @id::bigint and staging = @staging::text;

-- name: StuckBlobs :many
-- Pending blobs that nobody works on or will: their claim ran out, or their job is gone.
select b.id from media_blobs b
where b.state = 'processing'
  and coalesce(b.claimed_until < now(), b.created_at < now() - make_interval(secs => @grace_seconds::float8))
  and not exists (
      select 1 from river_job j
      where j.kind = 'media_process' and (j.args->>'blob')::bigint = b.id
        and (j.state in ('available', 'retryable', 'scheduled') or j.state = 'running' and b.claimed_until is null))
order by b.id
limit @at_most::int;

-- name: ExpireMedia :execrows
-- Announced, and the bytes did not come in a day.
update media set expired_at = now() where id in (
    select m.id from media m
    where m.blob_id is null and m.expired_at is null and m.created_at < now() - make_interval(secs => @after_seconds::float8)
    limit @at_most::int);

-- name: DeleteUnusedMedia :execrows
-- Pictures that are attached to nothing that can come back: never attached, or to a post that is deleted
-- or a product that is archived. Those that failed or
-- never came stay a week, so that their owners learn of it.
-- concealment: exempt the clean-up has no viewer
delete from media where id in (
    select m.id from media m left join media_blobs b on b.id = m.blob_id
    where m.created_at < now() - make_interval(secs => case when b.state = 'ready' then @after_seconds::float8 else @failed_after_seconds::float8 end)
      and (b.state in ('ready', 'failed') or m.expired_at is not null)
      and not exists (select 1 from avatars a where a.media_id = m.id)
      and not exists (select 1 from post_media a join posts p on p.id = a.post_id and p.deleted_at is null where a.media_id = m.id)
      and not exists (select 1 from product_media a join products p on p.id = a.product_id and p.archived_at is null where a.media_id = m.id)
    limit @at_most::int);

-- name: CountUnusedMedia :one
-- What DeleteUnusedMedia and ExpireMedia would do.
-- concealment: exempt the clean-up has no viewer
select count(*) filter (where m.blob_id is null and m.expired_at is null and m.created_at < now() - make_interval(secs => @after_seconds::float8)) as expiring,
       count(*) filter (where m.created_at < now() - make_interval(secs => case when b.state = 'ready' then @after_seconds::float8 else @failed_after_seconds::float8 end)
           and (b.state in ('ready', 'failed') or m.expired_at is not null)
           and not exists (select 1 from avatars a where a.media_id = m.id)
           and not exists (select 1 from post_media a join posts p on p.id = a.post_id and p.deleted_at is null where a.media_id = m.id)
           and not exists (select 1 from product_media a join products p on p.id = a.product_id and p.archived_at is null where a.media_id = m.id)) as unused
from media m left join media_blobs b on b.id = m.blob_id;

-- name: UnusedBlobs :many
-- Blobs of no picture, and those whose removal was begun.
select b.id from media_blobs b
where b.id > @after_id::bigint and (b.state = 'dropped' or not exists (select 1 from media m where m.blob_id = b.id))
order by b.id
limit @at_most::int;

-- name: LockBlob :one
select id from media_blobs where id = @id::bigint for update;

-- name: DropBlob :one
-- Marks a blob that no picture has. Its row is locked by then, so no picture can take it.
update media_blobs b set state = 'dropped', code = null
where b.id = @id::bigint and not exists (select 1 from media m where m.blob_id = b.id)
returning b.key, coalesce(b.staging, '')::text as staging, b.sizes;

-- name: DeleteBlob :execrows
delete from media_blobs where id = @id::bigint and state = 'dropped';

-- name: OldStaging :many
-- Uploads of failed blobs that nobody has tried again in a week.
select id, staging::text as staging from media_blobs
where state = 'failed' and staging is not null and finished_at < now() - make_interval(secs => @after_seconds::float8)
order by id
limit @at_most::int;

-- name: KnownStaging :many
select staging::text as staging from media_blobs where staging = any(@names::text[]);

-- name: KnownKeys :many
select key from media_blobs where key = any(@keys::text[]);

-- name: MediaBacklog :one
-- How many uploads wait, and for how long the oldest does, for the metrics.
select count(*) as pending, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest_seconds
from media_blobs where state = 'processing';

-- name: MediaCounts :many
select b.state, coalesce(b.code, '')::text as code, count(*) as n, sum(b.bytes)::bigint as bytes,
       count(*) filter (where b.staging is not null) as staged
from media_blobs b group by 1, 2 order by 1, 2;

-- name: AwaitingMedia :one
select count(*) from media where blob_id is null and expired_at is null;

-- name: TroubledBlobs :many
-- The newest that failed, or wait for another try.
-- concealment: exempt operators see everybody's
select b.id, coalesce(u.handle, '')::text as handle, b.state, b.code::text as code, b.detail, b.bytes, b.content_type, b.tries, b.rescues,
       (b.staging is not null)::bool as staged, b.created_at
from media_blobs b left join users u on u.id = b.owner_id
where b.state in ('processing', 'failed') and b.code is not null
order by b.id desc
limit @at_most::int;

-- name: RevivableBlobs :many
select id from media_blobs
where state = 'failed' and staging is not null and (@code::text = '' or code = @code::text) and id = case when @id::bigint = 0 then id else @id::bigint end
order by id;

-- name: ReviveBlob :execrows
-- Makes a failed blob pending again. No row: its upload is gone, or the owner has sent the same bytes again since.
update media_blobs b set state = 'processing', code = null, detail = '', tries = 0, rescues = 0, claimed_until = null, finished_at = null, created_at = now()
where b.id = @id::bigint and b.state = 'failed' and b.staging is not null
  and not exists (select 1 from media_blobs o where o.owner_id = b.owner_id and o.sha256 = b.sha256 and o.content_type = b.content_type and o.state in ('processing', 'ready'));
