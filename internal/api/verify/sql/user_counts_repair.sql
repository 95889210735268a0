update user_stats s set post_count = t.posts, follower_count = t.followers, following_count = t.followed
from (select x.id, (select count(*) from posts p where p.author_id = x.id and p.deleted_at is null) as posts,
             (select count(*) from follows f join users u on u.id = f.follower_id
              where f.followee_id = x.id and u.deleted_at is null and u.banned_at is null) as followers,
             (select count(*) from follows f join users u on u.id = f.followee_id
              where f.follower_id = x.id and u.deleted_at is null and u.banned_at is null) as followed
      from unnest($1::bigint[]) x(id)) t
where s.user_id = t.id and (s.post_count, s.follower_count, s.following_count) <> (t.posts, t.followers, t.followed)
