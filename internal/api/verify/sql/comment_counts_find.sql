-- Living people's comments that stand count. A post without a row has never been commented on.
select p.id, 0::bigint, format('post %s: comment_count is %s, there are %s', p.id, coalesce(s.comment_count, 0), coalesce(c.n, 0))
from posts p
left join post_stats s on s.post_id = p.id
left join (select c.post_id, count(*) as n from comments c join users u on u.id = c.author_id
           where c.deleted_at is null and u.deleted_at is null and u.banned_at is null group by c.post_id) c on c.post_id = p.id
where coalesce(s.comment_count, 0) <> coalesce(c.n, 0)
