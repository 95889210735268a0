-- name: ListNotifications :many
-- One row an event, newest first; the caller groups them. actor_id is 0 where nobody is told to have done it.
select n.id, n.kind, n.post_id, n.comment_id, n.order_id, n.order_status, n.created_at,
       coalesce(u.id, 0)::bigint as actor_id, coalesce(u.handle, '')::text as handle, coalesce(u.display_name, '')::text as display_name,
       (n.id <= coalesce((select s.last_seen_id from notification_state s where s.user_id = @viewer_id::bigint), 0))::bool as seen
from visible_notifications(@viewer_id::bigint) n
left join visible_users(@viewer_id) u on u.id = n.actor_id
where n.id < @before_id::bigint and (n.actor_id is null or u.id is not null)
order by n.id desc
limit @page_size::int;

-- name: CountUnread :one
select count(*) from (
    select 1 from visible_notifications(@viewer_id::bigint) n
    where n.id > coalesce((select s.last_seen_id from notification_state s where s.user_id = @viewer_id::bigint), 0)
    limit @at_most::int
) unread;

-- name: MarkSeen :execrows
-- No row: the viewer has no such notification.
insert into notification_state (user_id, last_seen_id)
select @viewer_id::bigint, n.id from visible_notifications(@viewer_id) n where n.id = @id::bigint
on conflict (user_id) do update set last_seen_id = greatest(notification_state.last_seen_id, excluded.last_seen_id);
