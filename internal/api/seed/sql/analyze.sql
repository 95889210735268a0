vacuum (analyze) users, follows, hidden, blocks, posts, post_stats, user_stats, comments, likes, notifications, notification_state, farms, products
