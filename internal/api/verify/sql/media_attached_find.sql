-- Pictures that are attached to something of somebody else's, or were sent for something else.
select m.id, 0::bigint, format('picture %s, a %s of %s, is attached to post %s of %s', m.id, m.purpose, m.owner_id, p.id, p.author_id)
from post_media a join media m on m.id = a.media_id join posts p on p.id = a.post_id
where m.owner_id <> p.author_id or m.purpose <> 'post'
union all
select m.id, 0::bigint, format('picture %s, a %s of %s, is the avatar of %s', m.id, m.purpose, m.owner_id, a.user_id)
from avatars a join media m on m.id = a.media_id
where m.owner_id <> a.user_id or m.purpose <> 'avatar'
union all
select m.id, 0::bigint, format('picture %s, a %s of %s, is attached to product %s', m.id, m.purpose, m.owner_id, a.product_id)
from product_media a join media m on m.id = a.media_id
where m.purpose <> 'product'
