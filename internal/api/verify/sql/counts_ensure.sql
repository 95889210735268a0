insert into post_stats (post_id) select p.id from posts p where p.id = any ($1::bigint[]) on conflict do nothing
