-- Per table: how many rows, and the sum of 60 bits of the MD5 of each, so the order doesn't matter. Times count from the
-- anchor $1; rows that came after the dataset are left out by their ids. $9 says
-- whether the sums are asked for; without them no column is read, and an index answers most counts.
select 'users' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, handle, display_name, bio, role, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from users where id <= $2
union all
select 'blocks' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', blocker_id, blocked_id, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from blocks where blocker_id <= $2
union all
select 'hidden' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', viewer_id, other_id)), 15))::bit(60)::bigint end), 0)::text
from hidden where viewer_id <= $2
union all
select 'posts' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, author_id, body, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from posts where id <= $3
union all
select 'post_stats' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', post_id, like_count, comment_count)), 15))::bit(60)::bigint end), 0)::text
from post_stats where post_id <= $3
union all
select 'follows' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', follower_id, followee_id, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from follows where follower_id <= $2
union all
select 'likes' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', post_id, user_id, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from likes where post_id <= $3
union all
select 'comments' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, post_id, author_id, body, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from comments where post_id <= $3 and author_id <= $2
union all
select 'notifications' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, recipient_id, actor_id, kind, coalesce(post_id, 0), coalesce(comment_id, 0), extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from notifications where id <= $4
union all
select 'notification_state' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', user_id, last_seen_id)), 15))::bit(60)::bigint end), 0)::text
from notification_state where user_id <= $2
union all
select 'farms' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, name, description, currency, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from farms where id <= $5
union all
select 'farm_members' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', farm_id, user_id, role)), 15))::bit(60)::bigint end), 0)::text
from farm_members where farm_id <= $5 and user_id <= $2
union all
select 'products' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, farm_id, name, description, category, price, currency, unit, available, sold, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from products where id <= $6
union all
select 'cart_items' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', user_id, product_id, quantity)), 15))::bit(60)::bigint end), 0)::text
from cart_items where user_id <= $2
union all
select 'orders' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, coalesce(buyer_id, 0), farm_id, status, currency, total, idempotency_key, encode(request_hash, 'hex'), extract(epoch from $1 - created_at)::bigint, extract(epoch from $1 - updated_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from orders where id <= $7
union all
select 'order_lines' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', order_id, product_id, name, unit, price, quantity)), 15))::bit(60)::bigint end), 0)::text
from order_lines where order_id <= $7
union all
select 'order_events' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, order_id, coalesce(actor_id, 0), side, coalesce(from_status, ''), to_status, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from order_events where order_id <= $7
union all
select 'payments' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', order_id, method, status, currency, amount)), 15))::bit(60)::bigint end), 0)::text
from payments where order_id <= $7
union all
select 'media_blobs' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, key, bytes, (select string_agg(concat_ws('x', s->>'w', s->>'h'), ' ') from jsonb_array_elements(sizes) s))), 15))::bit(60)::bigint end), 0)::text
from media_blobs where id <= $8 and owner_id is null
union all
select 'media' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', id, owner_id, purpose, bytes, blob_id, extract(epoch from $1 - created_at)::bigint)), 15))::bit(60)::bigint end), 0)::text
from media where id <= $8
union all
select 'avatars' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', user_id, media_id)), 15))::bit(60)::bigint end), 0)::text
from avatars where media_id <= $8
union all
select 'product_media' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', product_id, position, media_id)), 15))::bit(60)::bigint end), 0)::text
from product_media where media_id <= $8
union all
select 'post_media' as name, count(*), coalesce(sum(case when $9 then ('x' || left(md5(concat_ws('|', post_id, position, media_id)), 15))::bit(60)::bigint end), 0)::text
from post_media where media_id <= $8
