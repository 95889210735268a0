vacuum (analyze) users, follows, hidden, blocks, posts, post_stats, user_stats, comments, likes, notifications, notification_state, farms, products,
    farm_members, cart_items, orders, order_lines, order_events, payments, media_blobs, media,
    avatars, product_media, post_media
