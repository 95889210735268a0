package moderation

import (
	"context"
	"time"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
)

// Entry is a row of the moderation log. Actor and Subject are nil when their account is gone, Actor also when an operator
// acted.
type Entry struct {
	ID        int64
	Action    Action
	Actor     *account.Person
	Operator  string
	Target    Target
	Subject   *account.Person // whose the target is
	Report    int64           // 0: none
	From, To  Role            // of a change of role
	Reason    string
	TraceID   string
	CreatedAt time.Time
}

// Log returns what was done, newest first.
func (s *Service) Log(ctx context.Context, viewer int64, at timeline.Slice) (timeline.Page[Entry], error) {
	const op = "list the moderation log"
	if err := permit(ctx, s.store, Actor{Account: viewer}, Moderator); err != nil {
		return timeline.Page[Entry]{}, fault.Op(op, err)
	}
	rows, err := s.store.ListModerationLog(ctx, db.ListModerationLogParams{BeforeID: at.Cursor, PageSize: at.Fetch()})
	return timeline.PageOf(rows, at, entryOf, func(e Entry) int64 { return e.ID }), fault.Op(op, err)
}

func entryOf(r db.ListModerationLogRow) Entry {
	e := Entry{
		ID: r.ID, Action: Action(r.Action), Operator: r.Operator, Target: Target{Kind(r.TargetKind), r.TargetID}, Reason: r.Reason,
		TraceID: r.TraceID, CreatedAt: r.CreatedAt,
		Actor: person(r.ActorID, r.ActorHandle, r.ActorName), Subject: person(r.SubjectID, r.SubjectHandle, r.SubjectName),
	}
	if r.ReportID != nil {
		e.Report = *r.ReportID
	}
	if r.RoleFrom != nil {
		e.From, e.To = Role(*r.RoleFrom), Role(*r.RoleTo)
	}
	return e
}
