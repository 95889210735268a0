package moderation

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

// Action is what an act did, as the moderation log has it.
type Action string

// The actions.
const (
	ReportDismissed Action = "report_dismissed"
	PostRemoved     Action = "post_removed"
	CommentRemoved  Action = "comment_removed"
	UserBanned      Action = "user_banned"
	UserUnbanned    Action = "user_unbanned"
	RoleChanged     Action = "role_changed"
)

// Actions returns all of them.
func Actions() []Action {
	return []Action{ReportDismissed, PostRemoved, CommentRemoved, UserBanned, UserUnbanned, RoleChanged}
}

// Remove takes a post or a comment away and settles the open reports of it; it returns how many those were.
func (s *Service) Remove(ctx context.Context, by Actor, t Target, reason string) (settled int64, err error) {
	find := func(ctx context.Context, q *db.Queries) (int64, error) { return author(ctx, q, t) }
	err = s.act(ctx, by, plan{op: "remove " + string(t.Kind), needs: Moderator, reason: reason, find: find}, func(a *act) error {
		settled, err = a.remove(ctx, t, nil)
		return err
	})
	return settled, err
}

// author returns whose a post or a comment is.
func author(ctx context.Context, q *db.Queries, t Target) (id int64, err error) {
	if t.Kind == Post {
		id, err = q.PostAuthor(ctx, t.ID)
	} else {
		id, err = q.CommentAuthor(ctx, t.ID)
	}
	return id, absent(t.Kind, err)
}

// remove removes for a report, or for none.
func (a *act) remove(ctx context.Context, t Target, report *int64) (settled int64, err error) {
	var n int64
	action := PostRemoved
	if t.Kind == Post {
		n, err = a.RemovePost(ctx, t.ID)
	} else {
		action = CommentRemoved
		n, err = a.RemoveComment(ctx, t.ID)
	}
	if err == nil && n == 0 {
		err = absent(t.Kind, pgx.ErrNoRows) // its author was faster
	}
	if err == nil {
		settled, err = a.SettleTarget(ctx, db.SettleTargetParams{Kind: string(t.Kind), ID: t.ID, ActorID: a.actor(), Reason: a.reason})
	}
	if err != nil {
		return 0, err
	}
	return settled, a.record(ctx, db.AppendModerationParams{
		Action: string(action), TargetKind: string(t.Kind), TargetID: t.ID, ReportID: report,
	})
}

// Ban is what a ban, or its end, did.
type Ban struct {
	Subject  // as it is now
	Changed  bool
	Sessions int   // that it ended
	Settled  int64 // open reports about them
}

// Ban bans somebody, ends every session they have and settles the open reports about them. Banning twice is banning once. The last
// admin stays; an account that bans an admin is another one, so only operators meet that.
func (s *Service) Ban(ctx context.Context, by Actor, id int64, reason string) (Ban, error) {
	var out Ban
	err := s.act(ctx, by, plan{op: "ban", needs: Moderator, reason: reason, find: onPersonOfRank(id)}, func(a *act) error {
		if a.subject == nil {
			return absent(User, pgx.ErrNoRows)
		}
		if err := a.notTheLast(ctx); err != nil {
			return err
		}
		var err error
		out, err = a.ban(ctx, nil)
		return err
	})
	return out, err
}

// ban bans for a report, or for none.
func (a *act) ban(ctx context.Context, report *int64) (Ban, error) {
	out := Ban{Subject: *a.subject}
	out.Banned = true
	var err error
	out.Changed, out.Sessions, err = a.Change.Ban(ctx, out.ID)
	if err != nil || !out.Changed {
		return out, err
	}
	out.Settled, err = a.SettleSubject(ctx, db.SettleSubjectParams{SubjectID: out.ID, ActorID: a.actor(), Reason: a.reason})
	if err != nil {
		return out, err
	}
	return out, a.record(ctx, db.AppendModerationParams{
		Action: string(UserBanned), TargetKind: string(User), TargetID: out.ID, ReportID: report,
	})
}

// Unban lifts a ban. Nothing of what the ban ended comes back but what others see of the person.
func (s *Service) Unban(ctx context.Context, by Actor, id int64, reason string) (Ban, error) {
	var out Ban
	err := s.act(ctx, by, plan{op: "unban", needs: Moderator, reason: reason, find: onPerson(id)}, func(a *act) error {
		if a.subject == nil {
			return absent(User, pgx.ErrNoRows)
		}
		out = Ban{Subject: *a.subject}
		out.Banned = false
		var err error
		if out.Changed, err = a.Change.Unban(ctx, id); err != nil || !out.Changed {
			return err
		}
		return a.record(ctx, db.AppendModerationParams{Action: string(UserUnbanned), TargetKind: string(User), TargetID: id})
	})
	return out, err
}

// tooLate is the answer of a decision that has nothing left to decide about.
func tooLate(code, format string, args ...any) error {
	return fault.New(fault.Conflict, format, args...).WithCode(code)
}
