-- Bytes of no picture that nobody is about to remove: those of purged accounts are the next clean-up's, those of deleted
-- pictures a job's.
select b.id, 0::bigint, format('upload %s, %s bytes, is of no picture', b.id, b.bytes)
from media_blobs b
where b.owner_id is not null and b.state <> 'dropped'
  and not exists (select 1 from media m where m.blob_id = b.id)
  and not exists (select 1 from river_job j where j.kind = 'media_drop' and (j.args->>'blob')::bigint = b.id
                  and j.state in ('available', 'retryable', 'scheduled', 'running'))
