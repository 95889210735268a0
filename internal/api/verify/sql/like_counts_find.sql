-- Living people count. A post without a row has never been liked.
select p.id, 0::bigint, format('post %s: like_count is %s, there are %s', p.id, coalesce(s.like_count, 0), coalesce(l.n, 0))
from posts p
left join post_stats s on s.post_id = p.id
left join (select l.post_id, count(*) as n from likes l join users u on u.id = l.user_id
           where u.deleted_at is null and u.banned_at is null group by l.post_id) l on l.post_id = p.id
where coalesce(s.like_count, 0) <> coalesce(l.n, 0)
