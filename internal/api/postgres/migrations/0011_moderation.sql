-- platctl: allow L35 of the first release; on the way back only sessions that the new rule has ended are written
-- +goose Up
-- platctl: phase expand
-- What people report. The text is kept as it was, so neither an edit nor a deletion takes the evidence away; target_id has no
-- foreign key for the same reason. Somebody who is purged leaves their reports, and the reports about them, without a name.
create table reports (
    id                bigint generated always as identity primary key,
    reporter_id       bigint      references users (id) on delete set null,
    target_kind       text        not null check (target_kind in ('user', 'post', 'comment')),
    target_id         bigint      not null,
    subject_id        bigint      references users (id) on delete set null, -- who is reported, or wrote it
    reason            text        not null check (reason in ('spam', 'harassment', 'hate', 'violence', 'illegal', 'impersonation', 'other')),
    note              text        not null default '' check (char_length(note) <= 1000),
    snapshot          text        not null check (char_length(snapshot) <= 2000),
    created_at        timestamptz not null default now(),
    resolved_at       timestamptz,
    resolved_by       bigint      references users (id) on delete set null,
    resolution        text        check (resolution in ('dismissed', 'removed', 'banned')),
    resolution_reason text        check (char_length(resolution_reason) <= 500),
    check ((resolved_at is null) = (resolution is null) and (resolution is null) = (resolution_reason is null))
);
create unique index reports_open_key on reports (reporter_id, target_kind, target_id) where resolved_at is null;
create index reports_open_idx on reports (id) where resolved_at is null;
create index reports_target_idx on reports (target_kind, target_id) where resolved_at is null;
create index reports_reporter_idx on reports (reporter_id);
create index reports_subject_idx on reports (subject_id);
create index reports_resolved_by_idx on reports (resolved_by);

-- A report with the names of its people, as a moderator reads it. Who reads it leaves out those about the reader: the
-- reporter is never shown to the reported.
create view report_details as
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

-- Every act of moderation, for good. Its ids are no foreign keys: a purge must not change it. Somebody at the command line has
-- no account, so the operator's name stands there.
create table moderation_log (
    id          bigint generated always as identity primary key,
    actor_id    bigint,
    operator    text        not null default '' check (char_length(operator) <= 200),
    action      text        not null check (action in ('report_dismissed', 'post_removed', 'comment_removed', 'user_banned', 'user_unbanned', 'role_changed')),
    target_kind text        not null check (target_kind in ('user', 'post', 'comment')),
    target_id   bigint      not null,
    subject_id  bigint, -- whose it is; null where that is unknown by now
    report_id   bigint,
    role_from   text,
    role_to     text,
    reason      text        not null check (char_length(reason) <= 500),
    trace_id    text        not null,
    created_at  timestamptz not null default now(),
    check ((actor_id is null) = (operator <> '')),
    check ((action = 'role_changed') = (role_from is not null and role_to is not null))
);

-- +goose StatementBegin
create function moderation_log_appends() returns trigger language plpgsql as $$
begin
    raise exception 'moderation_log is append-only' using errcode = 'insufficient_privilege';
end $$;
-- +goose StatementEnd
create trigger moderation_log_appends before update or delete on moderation_log
    for each statement execute function moderation_log_appends();

-- Which sessions of a user are refused: those up to a number. not_before says the same in the time of two clocks that differ, so
-- somebody whose ban was lifted had to wait until theirs agreed; a row without a number is of an older release, and refuses all.
alter table revocations add column upto_session bigint;

-- A session also ends when its account opens one too many. The rows that are there satisfied a narrower rule, so they are not
-- read again: validating would hold the lock for as long as a scan takes.
alter table sessions drop constraint sessions_revoked_reason_check;
alter table sessions add constraint sessions_revoked_reason_check
    check (revoked_reason in ('logout', 'revoked', 'password', 'reuse', 'ban', 'operator', 'limit')) not valid;

-- +goose Down
alter table revocations drop column upto_session;
update sessions set revoked_reason = 'revoked' where revoked_reason = 'limit';
alter table sessions drop constraint sessions_revoked_reason_check;
alter table sessions add constraint sessions_revoked_reason_check
    check (revoked_reason in ('logout', 'revoked', 'password', 'reuse', 'ban', 'operator')) not valid;
drop table moderation_log;
drop function moderation_log_appends();
drop view report_details;
drop table reports;
