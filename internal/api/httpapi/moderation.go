package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/moderation"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
)

// moderationAPI is the operations of the tag "moderation".
type moderationAPI struct {
	service *moderation.Service
	ids     *publicid.Codec
}

func moderator(ctx context.Context) moderation.Actor { return moderation.Actor{Account: viewer(ctx)} }

// CreateReport implements operation createReport.
func (a moderationAPI) CreateReport(ctx context.Context, req *oas.CreateReportRequest) (*oas.ReportReceiptResponse, error) {
	r, err := a.service.Submit(ctx, viewer(ctx), a.target(string(req.Target)), string(req.Reason), req.Text.Or(""))
	if err != nil {
		return nil, err
	}
	return &oas.ReportReceiptResponse{Success: oas.SuccessTrue, Data: oas.ReportReceipt{
		Target: req.Target, Reason: oas.ReportReason(r.Reason), Text: r.Note, CreatedAt: r.CreatedAt.UTC(),
	}}, nil
}

// target reads an id whose kind is its first word.
func (a moderationAPI) target(id string) moderation.Target {
	kind, _, _ := strings.Cut(id, "_")
	return moderation.Target{Kind: moderation.Kind(kind), ID: known(a.ids, publicid.Kind(kind), id)}
}

// targetID writes one; moderation and public ids call the kinds alike.
func (a moderationAPI) targetID(t moderation.Target) oas.ModerationTarget {
	return oas.ModerationTarget(a.ids.Encode(publicid.Kind(t.Kind), t.ID))
}

// ListReports implements operation listReports.
func (a moderationAPI) ListReports(ctx context.Context, params oas.ListReportsParams, w http.ResponseWriter) error {
	read, start := a.service.OpenReports, int64(0)
	if params.Status.Or(oas.ListReportsStatusOpen) == oas.ListReportsStatusResolved {
		read, start = a.service.ResolvedReports, timeline.Start
	}
	at, err := slice(a.ids, params.Cursor, params.Limit, start)
	if err != nil {
		return err
	}
	page, err := read(ctx, viewer(ctx), at)
	if err != nil {
		return err
	}
	res := oas.ReportListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.Report, len(page.Items)), Meta: streamMeta(a.ids, at, page.Next),
	}
	for i, r := range page.Items {
		res.Data[i] = a.report(r)
	}
	return writeJSON(w, &res)
}

// GetReport implements operation getReport.
func (a moderationAPI) GetReport(ctx context.Context, params oas.GetReportParams) (*oas.ReportResponse, error) {
	return a.answer(a.service.Report(ctx, viewer(ctx), known(a.ids, publicid.Report, string(params.ID))))
}

// ResolveReport implements operation resolveReport.
func (a moderationAPI) ResolveReport(ctx context.Context, req *oas.ResolveReportRequest, params oas.ResolveReportParams) (*oas.ReportResponse, error) {
	id := known(a.ids, publicid.Report, string(params.ID))
	return a.answer(a.service.Resolve(ctx, viewer(ctx), id, moderation.Decision(req.Decision), string(req.Reason)))
}

func (a moderationAPI) answer(r moderation.Report, err error) (*oas.ReportResponse, error) {
	if err != nil {
		return nil, err
	}
	return &oas.ReportResponse{Success: oas.SuccessTrue, Data: a.report(r)}, nil
}

func (a moderationAPI) report(r moderation.Report) oas.Report {
	out := oas.Report{
		ID: oas.ReportId(a.ids.Encode(publicid.Report, r.ID)), Target: a.targetID(r.Target), Reason: oas.ReportReason(r.Reason), Text: r.Note,
		Snapshot: r.Snapshot, Present: r.Present, CreatedAt: r.CreatedAt.UTC(), Reporter: a.maybe(r.Reporter),
	}
	if r.Subject != nil {
		out.Subject.SetTo(a.moderated(*r.Subject))
	}
	if d := r.Resolution; d != nil {
		out.Resolution.SetTo(oas.ReportResolution{
			Outcome: oas.ReportResolutionOutcome(d.Outcome), By: a.maybe(d.By), Reason: d.Reason, ResolvedAt: d.At.UTC(),
		})
	}
	return out
}

// maybe is a person who may be gone.
func (a moderationAPI) maybe(p *account.Person) (out oas.OptPerson) {
	if p != nil {
		out.SetTo(person(a.ids, *p))
	}
	return out
}

func (a moderationAPI) moderated(s moderation.Subject) oas.ModeratedPerson {
	p := person(a.ids, s.Person)
	return oas.ModeratedPerson{ID: p.ID, Handle: p.Handle, DisplayName: p.DisplayName, Role: oas.Role(s.Role), Banned: s.Banned}
}

// RemovePost implements operation removePost.
func (a moderationAPI) RemovePost(ctx context.Context, req *oas.RemovePostRequest, params oas.RemovePostParams) (*oas.SettledResponse, error) {
	return a.remove(ctx, a.target(string(params.ID)), req.Reason)
}

// RemoveComment implements operation removeComment.
func (a moderationAPI) RemoveComment(ctx context.Context, req *oas.RemoveCommentRequest, params oas.RemoveCommentParams) (*oas.SettledResponse, error) {
	return a.remove(ctx, a.target(string(params.ID)), req.Reason)
}

func (a moderationAPI) remove(ctx context.Context, t moderation.Target, why oas.ModerationReason) (*oas.SettledResponse, error) {
	n, err := a.service.Remove(ctx, moderator(ctx), t, string(why))
	if err != nil {
		return nil, err
	}
	return &oas.SettledResponse{Success: oas.SuccessTrue, Data: oas.Settled{ReportsSettled: n}}, nil
}

// BanUser implements operation banUser.
func (a moderationAPI) BanUser(ctx context.Context, req *oas.BanUserRequest, params oas.BanUserParams) (*oas.ModeratedPersonResponse, error) {
	b, err := a.service.Ban(ctx, moderator(ctx), a.target(string(params.ID)).ID, string(req.Reason))
	return a.person(b.Subject, err)
}

// UnbanUser implements operation unbanUser.
func (a moderationAPI) UnbanUser(ctx context.Context, req *oas.UnbanUserRequest, params oas.UnbanUserParams) (*oas.ModeratedPersonResponse, error) {
	b, err := a.service.Unban(ctx, moderator(ctx), a.target(string(params.ID)).ID, string(req.Reason))
	return a.person(b.Subject, err)
}

// SetRole implements operation setRole.
func (a moderationAPI) SetRole(ctx context.Context, req *oas.SetRoleRequest, params oas.SetRoleParams) (*oas.ModeratedPersonResponse, error) {
	c, err := a.service.SetRole(ctx, moderator(ctx), a.target(string(params.ID)).ID, moderation.Role(req.Role), string(req.Reason))
	return a.person(c.Subject, err)
}

func (a moderationAPI) person(s moderation.Subject, err error) (*oas.ModeratedPersonResponse, error) {
	if err != nil {
		return nil, err
	}
	return &oas.ModeratedPersonResponse{Success: oas.SuccessTrue, Data: a.moderated(s)}, nil
}

// ListModerationLog implements operation listModerationLog.
func (a moderationAPI) ListModerationLog(ctx context.Context, params oas.ListModerationLogParams, w http.ResponseWriter) error {
	at, err := slice(a.ids, params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Log(ctx, viewer(ctx), at)
	if err != nil {
		return err
	}
	res := oas.ModerationLogResponse{
		Success: oas.SuccessTrue, Data: make([]oas.ModerationLogEntry, len(page.Items)), Meta: streamMeta(a.ids, at, page.Next),
	}
	for i, e := range page.Items {
		res.Data[i] = a.entry(e)
	}
	return writeJSON(w, &res)
}

func (a moderationAPI) entry(e moderation.Entry) oas.ModerationLogEntry {
	out := oas.ModerationLogEntry{
		ID: oas.ActionId(a.ids.Encode(publicid.Action, e.ID)), Action: oas.ModerationLogEntryAction(e.Action), Actor: a.maybe(e.Actor),
		Target: a.targetID(e.Target), Subject: a.maybe(e.Subject), Reason: e.Reason, TraceId: e.TraceID, CreatedAt: e.CreatedAt.UTC(),
	}
	if e.Operator != "" {
		out.Operator.SetTo(e.Operator)
	}
	if e.Report != 0 {
		out.Report.SetTo(oas.ReportId(a.ids.Encode(publicid.Report, e.Report)))
	}
	if e.To != "" {
		out.RoleFrom.SetTo(oas.Role(e.From))
		out.RoleTo.SetTo(oas.Role(e.To))
	}
	return out
}
