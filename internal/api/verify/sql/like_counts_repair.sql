update post_stats s set like_count = t.n
from (select x.id, (select count(*) from likes l join users u on u.id = l.user_id
                    where l.post_id = x.id and u.deleted_at is null and u.banned_at is null) as n
      from unnest($1::bigint[]) x(id)) t
where s.post_id = t.id and s.like_count <> t.n
