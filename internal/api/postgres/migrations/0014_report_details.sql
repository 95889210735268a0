-- +goose Up
-- platctl: phase expand
-- Whether what is reported is there still, as a look-up per row. As `exists` it could be planned as one reading of all posts and
-- all comments into a hash: for a page of 20 reports, 20,000 posts were read.
create or replace view report_details as
select r.id, r.target_kind, r.target_id, r.reason, r.note, r.snapshot, r.created_at, r.resolved_at, r.resolution, r.resolution_reason,
       r.subject_id as about_id,
       s.id as subject_id, s.handle as subject_handle, s.display_name as subject_name, s.role as subject_role,
       s.banned_at as subject_banned_at,
       w.id as reporter_id, w.handle as reporter_handle, w.display_name as reporter_name,
       m.id as resolver_id, m.handle as resolver_handle, m.display_name as resolver_name,
       (case r.target_kind
        when 'user' then s.id is not null
        when 'post' then coalesce((select p.deleted_at is null from posts p where p.id = r.target_id), false)
        else coalesce((select c.deleted_at is null from comments c where c.id = r.target_id), false) end)::boolean as present
from reports r
left join users s on s.id = r.subject_id and s.deleted_at is null
left join users w on w.id = r.reporter_id and w.deleted_at is null
left join users m on m.id = r.resolved_by and m.deleted_at is null;

-- +goose Down
create or replace view report_details as
select r.id, r.target_kind, r.target_id, r.reason, r.note, r.snapshot, r.created_at, r.resolved_at, r.resolution, r.resolution_reason,
       r.subject_id as about_id,
       s.id as subject_id, s.handle as subject_handle, s.display_name as subject_name, s.role as subject_role,
       s.banned_at as subject_banned_at,
       w.id as reporter_id, w.handle as reporter_handle, w.display_name as reporter_name,
       m.id as resolver_id, m.handle as resolver_handle, m.display_name as resolver_name,
       (case r.target_kind
        when 'user' then s.id is not null
        when 'post' then exists (select 1 from posts p where p.id = r.target_id and p.deleted_at is null)
        else exists (select 1 from comments c where c.id = r.target_id and c.deleted_at is null) end)::boolean as present
from reports r
left join users s on s.id = r.subject_id and s.deleted_at is null
left join users w on w.id = r.reporter_id and w.deleted_at is null
left join users m on m.id = r.resolved_by and m.deleted_at is null;
