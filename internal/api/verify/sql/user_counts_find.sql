-- Whether the person themselves is living doesn't matter. Somebody without a row has none of them.
select u.id, 0::bigint, format('user %s: post_count, follower_count and following_count are %s, %s and %s, there are %s, %s and %s', u.id,
       coalesce(s.post_count, 0), coalesce(s.follower_count, 0), coalesce(s.following_count, 0), coalesce(p.n, 0), coalesce(a.n, 0), coalesce(b.n, 0))
from users u
left join user_stats s on s.user_id = u.id
left join (select author_id as id, count(*) as n from posts where deleted_at is null group by 1) p on p.id = u.id
left join (select f.followee_id as id, count(*) as n from follows f join users w on w.id = f.follower_id
           where w.deleted_at is null and w.banned_at is null group by 1) a on a.id = u.id
left join (select f.follower_id as id, count(*) as n from follows f join users w on w.id = f.followee_id
           where w.deleted_at is null and w.banned_at is null group by 1) b on b.id = u.id
where (coalesce(s.post_count, 0), coalesce(s.follower_count, 0), coalesce(s.following_count, 0))
   <> (coalesce(p.n, 0), coalesce(a.n, 0), coalesce(b.n, 0))
