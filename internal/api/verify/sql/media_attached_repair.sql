with posts_too as (
    delete from post_media a using media m, posts p
    where a.media_id = any($1::bigint[]) and m.id = a.media_id and p.id = a.post_id and (m.owner_id <> p.author_id or m.purpose <> 'post')
    returning a.media_id
), avatars_too as (
    delete from avatars a using media m
    where a.media_id = any($1::bigint[]) and m.id = a.media_id and (m.owner_id <> a.user_id or m.purpose <> 'avatar')
    returning a.media_id
), products_too as (
    delete from product_media a using media m
    where a.media_id = any($1::bigint[]) and m.id = a.media_id and m.purpose <> 'product'
    returning a.media_id
)
select media_id from posts_too union all select media_id from avatars_too union all select media_id from products_too
