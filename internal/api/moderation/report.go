package moderation

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
)

// maxNote is the longest text of a report in characters, as the schema has it.
const maxNote = 1000

// Receipt is what the reporter sees of a report.
type Receipt struct {
	Target    Target
	Reason    string
	Note      string
	CreatedAt time.Time
}

// Submit reports what viewer sees. While a report of the same by the same viewer is open, that one is the answer.
func (s *Service) Submit(ctx context.Context, viewer int64, t Target, reason, note string) (Receipt, error) {
	note, err := timeline.CleanText("text", maxNote, true, note)
	if err != nil {
		return Receipt{}, err
	}
	r, err := s.store.CreateReport(ctx, db.CreateReportParams{ViewerID: viewer, Kind: string(t.Kind), ID: t.ID, Reason: reason, Note: note})
	switch {
	case err != nil:
		return Receipt{}, fault.Op("report", absent(t.Kind, err))
	case r.Own:
		return Receipt{}, fault.New(fault.Conflict, "you can't report yourself or what you wrote").WithCode("self_report")
	}
	s.opts.OnReport(reason)
	return Receipt{Target: t, Reason: r.Reason, Note: r.Note, CreatedAt: r.CreatedAt}, nil
}

// Report is a report as a moderator sees it. Subject and Reporter are nil when their account is gone.
type Report struct {
	ID         int64
	Target     Target
	Subject    *Subject
	Reporter   *account.Person
	Reason     string
	Note       string
	Snapshot   string // what was reported, as it was then
	Present    bool   // it is there still
	CreatedAt  time.Time
	Resolution *Resolution // nil: open
}

// Resolution is how a report ended.
type Resolution struct {
	Outcome string          // dismissed, removed or banned
	By      *account.Person // nil: an operator, or their account is gone
	Reason  string
	At      time.Time
}

// OpenReports returns the open reports that viewer may see, oldest first.
func (s *Service) OpenReports(ctx context.Context, viewer int64, at timeline.Slice) (timeline.Page[Report], error) {
	return s.list(ctx, viewer, at, func() ([]db.ReportDetail, error) {
		return s.store.ListOpenReports(ctx, db.ListOpenReportsParams{ViewerID: viewer, AfterID: at.Cursor, PageSize: at.Fetch()})
	})
}

// ResolvedReports returns the others, newest first.
func (s *Service) ResolvedReports(ctx context.Context, viewer int64, at timeline.Slice) (timeline.Page[Report], error) {
	return s.list(ctx, viewer, at, func() ([]db.ReportDetail, error) {
		return s.store.ListResolvedReports(ctx, db.ListResolvedReportsParams{ViewerID: viewer, BeforeID: at.Cursor, PageSize: at.Fetch()})
	})
}

func (s *Service) list(ctx context.Context, viewer int64, at timeline.Slice, read func() ([]db.ReportDetail, error)) (timeline.Page[Report], error) {
	err := permit(ctx, s.store, Actor{Account: viewer}, Moderator)
	if err != nil {
		return timeline.Page[Report]{}, fault.Op("list reports", err)
	}
	rows, err := read()
	return timeline.PageOf(rows, at, reportOf, func(r Report) int64 { return r.ID }), fault.Op("list reports", err)
}

// Report returns one report.
func (s *Service) Report(ctx context.Context, viewer, id int64) (Report, error) {
	if err := permit(ctx, s.store, Actor{Account: viewer}, Moderator); err != nil {
		return Report{}, fault.Op("read report", err)
	}
	r, err := s.store.GetReport(ctx, db.GetReportParams{ID: id, ViewerID: viewer})
	if err != nil {
		return Report{}, fault.Op("read report", noReport(err))
	}
	return reportOf(r), nil
}

// Decision is what a moderator decides about a report.
type Decision string

// The decisions.
const (
	Dismiss Decision = "dismiss"
	Removal Decision = "remove"
	Banning Decision = "ban"
)

// Resolve decides an open report and returns it.
func (s *Service) Resolve(ctx context.Context, viewer, id int64, d Decision, reason string) (Report, error) {
	var target Target
	find := func(ctx context.Context, q *db.Queries) (int64, error) {
		r, err := q.ReportTarget(ctx, db.ReportTargetParams{ID: id, ViewerID: viewer})
		if err != nil {
			return 0, noReport(err)
		}
		target = Target{Kind(r.TargetKind), r.TargetID}
		if r.SubjectID == nil {
			return 0, nil
		}
		return *r.SubjectID, nil
	}
	err := s.act(ctx, Actor{Account: viewer}, plan{op: "resolve report", needs: Moderator, reason: reason, find: find}, func(a *act) error {
		// Everything that resolves a report holds its subject's account, so what is open here stays open until the commit.
		open, err := a.ReportIsOpen(ctx, id)
		switch {
		case err != nil:
			return err
		case !open:
			return errResolved()
		}
		return a.decide(ctx, id, target, d)
	})
	if err != nil {
		return Report{}, err
	}
	return s.Report(ctx, viewer, id)
}

func (a *act) decide(ctx context.Context, id int64, t Target, d Decision) error {
	switch d {
	case Removal:
		if t.Kind == User {
			return tooLate("nothing_to_remove", "a person can't be removed, only banned")
		}
		if _, err := a.remove(ctx, t, &id); errors.Is(err, fault.NotFound) {
			return tooLate("nothing_to_remove", "the %s is gone already; dismiss the report, or ban", t.Kind)
		} else if err != nil {
			return err
		}
		return nil
	case Banning:
		if a.subject == nil || a.subject.Banned {
			return tooLate("nobody_to_ban", "whom the report is about is banned already, or gone; dismiss the report")
		}
		_, err := a.ban(ctx, &id)
		return err
	}
	n, err := a.DismissReport(ctx, db.DismissReportParams{ID: id, ActorID: a.actor(), Reason: a.reason})
	if err == nil && n == 0 {
		err = errResolved()
	}
	if err != nil {
		return err
	}
	return a.record(ctx, db.AppendModerationParams{
		Action: string(ReportDismissed), TargetKind: string(t.Kind), TargetID: t.ID, ReportID: &id,
	})
}

func errResolved() error {
	return fault.New(fault.Conflict, "the report is resolved already").WithCode("already_resolved")
}

func noReport(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return timeline.Absent("report")
	}
	return err
}

func reportOf(r db.ReportDetail) Report {
	out := Report{
		ID: r.ID, Target: Target{Kind(r.TargetKind), r.TargetID}, Reason: r.Reason, Note: r.Note, Snapshot: r.Snapshot,
		Present: r.Present, CreatedAt: r.CreatedAt, Reporter: person(r.ReporterID, r.ReporterHandle, r.ReporterName),
	}
	if p := person(r.SubjectID, r.SubjectHandle, r.SubjectName); p != nil {
		out.Subject = &Subject{Person: *p, Role: Role(*r.SubjectRole), Banned: r.SubjectBannedAt != nil}
	}
	if r.ResolvedAt != nil {
		out.Resolution = &Resolution{
			Outcome: *r.Resolution, Reason: *r.ResolutionReason, At: *r.ResolvedAt,
			By: person(r.ResolverID, r.ResolverHandle, r.ResolverName),
		}
	}
	return out
}

// person is somebody of an outer join; nil where there was none.
func person(id *int64, handle, name *string) *account.Person {
	if id == nil {
		return nil
	}
	return &account.Person{ID: *id, Handle: *handle, DisplayName: *name}
}
