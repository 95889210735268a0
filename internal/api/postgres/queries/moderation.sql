-- name: RoleOf :one
-- No row: the account is gone.
-- concealment: exempt what an account may do is asked of the account itself
select role from users where id = @id and deleted_at is null and banned_at is null;

-- name: LockAccounts :many
-- Those who take part in an act, in one order for everybody: two who act on each other take turns. The lock lets the roles that
-- were read stand until the act commits. Who deleted their account can be banned, or they would come back without a ban.
-- concealment: exempt a moderator acts on whoever blocks them
select id, handle, display_name, role, banned_at, (deleted_at is not null)::bool as deleted from users
where id = any(@ids::bigint[])
order by id
for no key update;

-- name: LockRoles :exec
-- Changes of roles take turns, so that two can't each leave the other as the last admin.
select pg_advisory_xact_lock(hashtextextended('users.role', 0));

-- name: SetRole :exec
update users set role = @role where id = @id;

-- name: AnotherAdmin :one
-- concealment: exempt how many admins there are concerns no viewer
select exists (select 1 from users where role = 'admin' and id <> @id and deleted_at is null and banned_at is null);

-- name: CreateReport :one
-- No row: the viewer sees no such thing, or is gone. A report that the viewer has open already is answered with itself: the
-- update changes nothing and makes its row come back, also when the two were sent at once.
with me as (
    select u.id from visible_users(@viewer_id::bigint) u where u.id = @viewer_id::bigint
), target as (
    select u.id, u.id as subject_id, u.display_name || E'\n' || u.bio as snapshot
    from visible_users(@viewer_id) u where @kind::text = 'user' and u.id = @id::bigint
    union all
    select p.id, p.author_id, p.body from visible_posts(@viewer_id) p where @kind = 'post' and p.id = @id
    union all
    select c.id, c.author_id, c.body from visible_comments(@viewer_id) c join visible_posts(@viewer_id) p on p.id = c.post_id
    where @kind = 'comment' and c.id = @id
), ins as (
    insert into reports (reporter_id, target_kind, target_id, subject_id, reason, note, snapshot)
    select me.id, @kind, t.id, t.subject_id, @reason::text, @note::text, t.snapshot from target t cross join me
    where t.subject_id <> me.id
    on conflict (reporter_id, target_kind, target_id) where resolved_at is null do update set reporter_id = excluded.reporter_id
    returning reports.reason, reports.note, reports.created_at
)
select (t.subject_id = me.id)::boolean as own, coalesce(i.reason, '')::text as reason, coalesce(i.note, '')::text as note,
       coalesce(i.created_at, now())::timestamptz as created_at
from target t cross join me left join ins i on true;

-- name: ListOpenReports :many
-- concealment: exempt a moderator sees what is reported whoever blocks them
select * from report_details d
where d.resolved_at is null and d.about_id is distinct from @viewer_id::bigint and d.id > @after_id::bigint
order by d.id
limit @page_size::int;

-- name: ListResolvedReports :many
-- concealment: exempt a moderator sees what is reported whoever blocks them
select * from report_details d
where d.resolved_at is not null and d.about_id is distinct from @viewer_id::bigint and d.id < @before_id::bigint
order by d.id desc
limit @page_size::int;

-- name: GetReport :one
-- No row: there is none, or it is about the viewer.
-- concealment: exempt a moderator sees what is reported whoever blocks them
select * from report_details d where d.id = @id and d.about_id is distinct from @viewer_id::bigint;

-- name: ReportTarget :one
-- No row: there is none, or it is about the viewer.
select target_kind, target_id, subject_id from reports where id = @id and subject_id is distinct from @viewer_id::bigint;

-- name: DismissReport :execrows
update reports set resolved_at = now(), resolved_by = @actor_id, resolution = 'dismissed', resolution_reason = @reason::text
where id = @id and resolved_at is null;

-- name: ReportIsOpen :one
select (resolved_at is null)::boolean as open from reports where id = @id;

-- name: SettleTarget :execrows
-- What is removed needs no decision any more.
update reports set resolved_at = now(), resolved_by = sqlc.narg('actor_id'), resolution = 'removed', resolution_reason = @reason::text
where target_kind = @kind and target_id = @id and resolved_at is null;

-- name: SettleSubject :execrows
-- Nobody sees somebody banned, nor what they wrote.
update reports set resolved_at = now(), resolved_by = sqlc.narg('actor_id'), resolution = 'banned', resolution_reason = @reason::text
where subject_id = @subject_id::bigint and resolved_at is null;

-- name: PostAuthor :one
-- concealment: exempt a moderator removes what people wrote who block them
select author_id from posts where id = @id and deleted_at is null;

-- name: CommentAuthor :one
-- concealment: exempt a moderator removes what people wrote who block them
select author_id from comments where id = @id and deleted_at is null;

-- name: RemovePost :execrows
update posts set deleted_at = now() where id = @id and deleted_at is null;

-- name: RemoveComment :execrows
-- The counter counts living people: the comment of somebody who has gone has left it already.
with del as (
    update comments w set deleted_at = now() where w.id = @id and w.deleted_at is null returning w.post_id, w.author_id
), author as (
    select d.post_id from del d cross join lateral living(d.author_id)
), stat as (
    update post_stats s set comment_count = greatest(0, s.comment_count - 1)
    from author a where s.post_id = a.post_id
)
select 1 from del;

-- name: AppendModeration :one
-- The row and its event, in the transaction of the act.
with entry as (
    insert into moderation_log (actor_id, operator, action, target_kind, target_id, subject_id, report_id, role_from, role_to, reason, trace_id)
    values (sqlc.narg('actor_id'), @operator, @action, @target_kind, @target_id, sqlc.narg('subject_id'), sqlc.narg('report_id'),
            sqlc.narg('role_from'), sqlc.narg('role_to'), @reason, @trace_id)
    returning *
), event as (
    insert into app_events (kind, payload, trace_id)
    select 'moderation_action', jsonb_strip_nulls(jsonb_build_object('log_id', e.id, 'action', e.action, 'actor_id', e.actor_id,
        'operator', nullif(e.operator, ''), 'target_kind', e.target_kind, 'target_id', e.target_id, 'subject_id', e.subject_id,
        'report_id', e.report_id, 'role_from', e.role_from, 'role_to', e.role_to)), e.trace_id
    from entry e
)
select id from entry;

-- name: ListModerationLog :many
-- concealment: exempt a moderator reads what was done to and by whoever blocks them
select l.id, l.action, l.operator, l.target_kind, l.target_id, l.report_id, l.role_from, l.role_to, l.reason, l.trace_id, l.created_at,
       a.id as actor_id, a.handle as actor_handle, a.display_name as actor_name,
       s.id as subject_id, s.handle as subject_handle, s.display_name as subject_name
from moderation_log l
left join users a on a.id = l.actor_id and a.deleted_at is null
left join users s on s.id = l.subject_id and s.deleted_at is null
where l.id < @before_id::bigint
order by l.id desc
limit @page_size::int;
