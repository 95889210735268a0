insert into user_stats (user_id) select u.id from users u where u.id = any ($1::bigint[]) order by u.id on conflict do nothing
