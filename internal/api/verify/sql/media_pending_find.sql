select b.id, 0::bigint, format('upload %s of %s is no picture yet (%s)', b.id, b.created_at, coalesce(nullif(b.code, ''), 'nothing is known'))
from media_blobs b where b.state = 'processing' and b.created_at < now() - interval '1 hour'
