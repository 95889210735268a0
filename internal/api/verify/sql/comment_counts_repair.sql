update post_stats s set comment_count = t.n
from (select x.id, (select count(*) from comments c join users u on u.id = c.author_id
                    where c.post_id = x.id and c.deleted_at is null and u.deleted_at is null and u.banned_at is null) as n
      from unnest($1::bigint[]) x(id)) t
where s.post_id = t.id and s.comment_count <> t.n
