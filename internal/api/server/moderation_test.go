package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/events"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// staff signs somebody up and gives them a role.
func staff(t *testing.T, env *apitest.Env, handle, role string) (client.Session, *client.Client) {
	t.Helper()
	s, c := env.Signup(handle)
	setRole(t, env, handle, role)
	return s, c
}

func setRole(t *testing.T, env *apitest.Env, handle, role string) {
	t.Helper()
	if _, err := env.Pool.Exec(t.Context(), "update users set role = $2 where handle = $1", handle, role); err != nil {
		t.Fatal(err)
	}
}

func report(t *testing.T, c *client.Client, target string, reason client.ReportReason, text string) error {
	t.Helper()
	_, err := c.CreateReport(t.Context(), &client.CreateReportRequest{
		Target: client.ModerationTarget(target), Reason: reason, Text: client.NewOptString(text),
	})
	return err
}

func mustReport(t *testing.T, c *client.Client, target string) {
	t.Helper()
	if err := report(t, c, target, client.ReportReasonSpam, ""); err != nil {
		t.Fatal(err)
	}
}

func openReports(t *testing.T, c *client.Client) []client.Report {
	t.Helper()
	page, err := c.ListReports(t.Context(), client.ListReportsParams{})
	if err != nil {
		t.Fatal(err)
	}
	return page.Data
}

// A report keeps what was reported: edits, deletion and the end of accounts take nothing away. While it is open, the same
// report is the same report, also when it is sent twice at once.
func TestReports(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	_, m := staff(t, env, "mod", "moderator")
	post := newPost(t, a, "Buy followers!")
	first, err := b.CreateReport(ctx, &client.CreateReportRequest{
		Target: client.ModerationTarget(post), Reason: client.ReportReasonSpam, Text: client.NewOptString(" The third today. "),
	})
	if err != nil || first.Data.Text != "The third today." || string(first.Data.Target) != string(post) {
		t.Fatalf("report = %+v, %v", first, err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			again, err := b.CreateReport(ctx, &client.CreateReportRequest{Target: client.ModerationTarget(post), Reason: client.ReportReasonHate})
			if err != nil || again.Data != first.Data {
				t.Errorf("again = %+v, %v", again, err)
			}
		})
	}
	wg.Wait()
	if _, err := a.EditPost(ctx, &client.EditPostRequest{Body: "Buy plums!"}, client.EditPostParams{ID: post}); err != nil {
		t.Fatal(err)
	}
	got := openReports(t, m)
	if len(got) != 1 || got[0].Snapshot != "Buy followers!" || !got[0].Present || got[0].Subject.Value.Handle != "ana" ||
		got[0].Reporter.Value.Handle != "ben" || got[0].Resolution.Set {
		t.Fatalf("reports = %+v", got)
	}
	if err := a.DeletePost(ctx, client.DeletePostParams{ID: post}); err != nil {
		t.Fatal(err)
	}
	one, err := m.GetReport(ctx, client.GetReportParams{ID: got[0].ID})
	if err != nil || one.Data.Present || one.Data.Snapshot != "Buy followers!" {
		t.Errorf("after the deletion: %+v, %v", one, err)
	}
	wantProblem(t, report(t, b, string(post), "spam", ""), 404, "not_found")
	wantProblem(t, report(t, a, string(ana.User.ID), "spam", ""), 409, "self_report")
	wantProblem(t, report(t, b, string(ana.User.ID), "spam", "\x01"), 400, "invalid_input")
	mustReport(t, b, string(ana.User.ID))
	if got := openReports(t, m); len(got) != 2 || got[1].Snapshot != "ANA\n" || !got[1].Present {
		t.Errorf("a person's report = %+v", got)
	}
	if _, err := env.Pool.Exec(ctx, "delete from users where handle in ('ana', 'ben')"); err != nil {
		t.Fatal(err)
	}
	for _, r := range openReports(t, m) {
		if r.Subject.Set || r.Reporter.Set || r.Present || r.Snapshot == "" {
			t.Errorf("after both were purged: %+v", r)
		}
	}
}

// Open reports come oldest first, resolved ones newest first, page by page; a moderator finds none about themselves.
func TestReportLists(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, a := env.Signup("ana")
	_, b := env.Signup("ben")
	self, m := staff(t, env, "mod", "moderator")
	_, peer := staff(t, env, "peer", "moderator")
	for i := range 5 {
		mustReport(t, b, string(newPost(t, a, fmt.Sprint("post ", i))))
	}
	mustReport(t, b, string(self.User.ID))
	mustReport(t, b, string(newPost(t, m, "mine")))
	read := func(c *client.Client, status client.ListReportsStatus) (out string) {
		params := client.ListReportsParams{Status: client.NewOptListReportsStatus(status), Limit: client.NewOptInt32(2)}
		for {
			page, err := c.ListReports(ctx, params)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Data {
				out += strings.TrimSpace(r.Snapshot) + " "
			}
			if page.Meta.NextCursor.Null {
				return out
			}
			params.Cursor = client.NewOptString(page.Meta.NextCursor.Value)
		}
	}
	if got := read(m, "open"); got != "post 0 post 1 post 2 post 3 post 4 " {
		t.Errorf("open = %q", got)
	}
	if got := read(peer, "open"); got != "post 0 post 1 post 2 post 3 post 4 MOD mine " {
		t.Errorf("a peer's open = %q", got)
	}
	for _, r := range openReports(t, peer)[:3] {
		resolve(t, m, r.ID, "dismiss")
	}
	if got := read(m, "resolved"); got != "post 2 post 1 post 0 " {
		t.Errorf("resolved = %q", got)
	}
	about := openReports(t, peer)[2].ID // the moderator themselves
	_, err := m.GetReport(ctx, client.GetReportParams{ID: about})
	wantProblem(t, err, 404, "not_found")
	_, err = m.ResolveReport(ctx, decision("dismiss"), client.ResolveReportParams{ID: about})
	wantProblem(t, err, 404, "not_found")
	_, err = peer.ResolveReport(ctx, decision("dismiss"), client.ResolveReportParams{ID: about})
	wantProblem(t, err, 403, "outranked")
}

func decision(d client.ResolveReportRequestDecision) *client.ResolveReportRequest {
	return &client.ResolveReportRequest{Decision: d, Reason: "Seen."}
}

func resolve(t *testing.T, c *client.Client, id client.ReportId, d client.ResolveReportRequestDecision) client.Report {
	t.Helper()
	res, err := c.ResolveReport(t.Context(), decision(d), client.ResolveReportParams{ID: id})
	if err != nil || !res.Data.Resolution.Set || res.Data.Resolution.Value.Reason != "Seen." {
		t.Fatalf("resolve = %+v, %v", res, err)
	}
	return res.Data
}

// A moderator whom the author blocks, or who blocks the author, still sees what is reported and still acts on it, and nobody
// becomes visible to them elsewhere.
func TestBlockedModerator(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	mod, m := staff(t, env, "mod", "moderator")
	post := newPost(t, a, "Buy followers!")
	for _, c := range []*client.Client{a, b} {
		if _, err := c.BlockUser(ctx, client.BlockUserParams{ID: mod.User.ID}); err != nil {
			t.Fatal(err)
		}
	}
	wantProblem(t, report(t, m, string(post), "spam", ""), 404, "not_found")
	mustReport(t, b, string(post))
	got := openReports(t, m)
	if len(got) != 1 || got[0].Subject.Value.Handle != "ana" || got[0].Reporter.Value.Handle != "ben" {
		t.Fatalf("reports = %+v", got)
	}
	_, err := m.GetPost(ctx, client.GetPostParams{ID: post})
	wantProblem(t, err, 404, "not_found")
	if r := resolve(t, m, got[0].ID, "remove"); r.Present || r.Resolution.Value.Outcome != "removed" || r.Resolution.Value.By.Value.Handle != "mod" {
		t.Errorf("resolved = %+v", r)
	}
	res, err := m.BanUser(ctx, &client.BanUserRequest{Reason: "Spam."}, client.BanUserParams{ID: ana.User.ID})
	if err != nil || !res.Data.Banned || res.Data.Handle != "ana" {
		t.Errorf("ban = %+v, %v", res, err)
	}
	_, err = a.GetMe(ctx)
	wantProblem(t, err, 401, "session_revoked")
}

// What is decided settles what it decides about, once, whoever comes first.
func TestResolve(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, a := env.Signup("ana")
	_, b := env.Signup("ben")
	ana, c := env.Signup("cleo")
	_, m := staff(t, env, "mod", "moderator")
	_, m2 := staff(t, env, "mod2", "moderator")
	post, other := newPost(t, a, "one"), newPost(t, a, "two")
	comment, err := c.CreateComment(ctx, &client.CreateCommentRequest{Body: "no"}, client.CreateCommentParams{ID: other})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{string(post), string(other), string(comment.Data.ID)} {
		mustReport(t, b, target)
		if target != string(comment.Data.ID) {
			mustReport(t, c, target)
		}
	}
	byBen, byCleo := openReports(t, m)[0].ID, openReports(t, m)[1].ID
	resolve(t, m, byBen, "dismiss")
	if got := openReports(t, m); len(got) != 4 || got[0].ID != byCleo {
		t.Errorf("a dismissal settles its own report only: %+v", got)
	}
	_, err = m2.ResolveReport(ctx, decision("ban"), client.ResolveReportParams{ID: byBen})
	wantProblem(t, err, 409, "already_resolved")
	if err := a.DeletePost(ctx, client.DeletePostParams{ID: post}); err != nil {
		t.Fatal(err)
	}
	_, err = m.ResolveReport(ctx, decision("remove"), client.ResolveReportParams{ID: byCleo})
	wantProblem(t, err, 409, "nothing_to_remove")
	resolve(t, m, byCleo, "dismiss")

	// Two moderators, one report: one of them decides, the other is told.
	of := openReports(t, m)[0].ID
	errs := make(chan error, 2)
	for _, c := range []*client.Client{m, m2} {
		go func() {
			_, err := c.ResolveReport(ctx, decision("remove"), client.ResolveReportParams{ID: of})
			errs <- err
		}()
	}
	if one, two := <-errs, <-errs; (one == nil) == (two == nil) {
		t.Errorf("both answer %v and %v", one, two)
	} else {
		wantProblem(t, errors.Join(one, two), 409, "already_resolved")
	}
	if got := openReports(t, m); len(got) != 1 || got[0].Snapshot != "no" || got[0].Present != true {
		t.Errorf("a removal settles every report of the post, and no other: %+v", got)
	}
	_, err = m.RemovePost(ctx, &client.RemovePostRequest{Reason: "Again."}, client.RemovePostParams{ID: other})
	wantProblem(t, err, 404, "not_found")

	mustReport(t, b, string(ana.User.ID))
	resolve(t, m, openReports(t, m)[0].ID, "ban")
	if got := openReports(t, m); len(got) != 0 {
		t.Errorf("a ban settles every report about the person: %+v", got)
	}
}

// Removing a comment moves the counter once, and not for somebody whose ban has moved it already.
func TestRemovalCounts(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, a := env.Signup("ana")
	ben, b := env.Signup("ben")
	_, m := staff(t, env, "mod", "moderator")
	post := newPost(t, a, "plums")
	var ids []client.CommentId
	for range 3 {
		res, err := b.CreateComment(ctx, &client.CreateCommentRequest{Body: "no"}, client.CreateCommentParams{ID: post})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, res.Data.ID)
	}
	remove := func(id client.CommentId) error {
		_, err := m.RemoveComment(ctx, &client.RemoveCommentRequest{Reason: "No."}, client.RemoveCommentParams{ID: id})
		return err
	}
	ban := func(banned bool) (err error) {
		if banned {
			_, err = m.BanUser(ctx, &client.BanUserRequest{Reason: "No."}, client.BanUserParams{ID: ben.User.ID})
		} else {
			_, err = m.UnbanUser(ctx, &client.UnbanUserRequest{Reason: "Yes."}, client.UnbanUserParams{ID: ben.User.ID})
		}
		return err
	}
	if err := remove(ids[0]); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, remove(ids[0]), 404, "not_found")
	wantCounts(t, a, post, 0, 2)
	if err := errors.Join(ban(true), remove(ids[1]), ban(true)); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, a, post, 0, 0)
	if err := errors.Join(ban(false), ban(false)); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, a, post, 0, 1)
}

// Moderators act on members, admins on everybody, nobody on themselves; a role counts from the next request.
func TestRanks(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	people := map[string]client.Session{}
	clients := map[string]*client.Client{}
	for handle, role := range map[string]string{
		"member": "member", "mod": "moderator", "mod2": "moderator", "admin": "admin", "admin2": "admin",
	} {
		people[handle], clients[handle] = staff(t, env, handle, role)
	}
	ban := func(by, whom string) error {
		_, err := clients[by].BanUser(ctx, &client.BanUserRequest{Reason: "No."}, client.BanUserParams{ID: people[whom].User.ID})
		return err
	}
	give := func(by, whom string, role client.Role) error {
		_, err := clients[by].SetRole(ctx, &client.SetRoleRequest{Role: role, Reason: "Yes."}, client.SetRoleParams{ID: people[whom].User.ID})
		return err
	}
	wantProblem(t, ban("member", "mod"), 403, "not_moderator")
	wantProblem(t, ban("mod", "mod"), 409, "self_moderation")
	wantProblem(t, ban("mod", "mod2"), 403, "outranked")
	wantProblem(t, ban("mod", "admin"), 403, "outranked")
	wantProblem(t, ban("admin", "admin"), 409, "self_moderation")
	wantProblem(t, give("mod", "member", "moderator"), 403, "not_admin")
	wantProblem(t, give("member", "member", "admin"), 403, "not_admin")
	wantProblem(t, give("admin", "admin", "member"), 409, "self_moderation")
	post := newPost(t, clients["mod2"], "by a moderator")
	remove := func(by string) error {
		_, err := clients[by].RemovePost(ctx, &client.RemovePostRequest{Reason: "No."}, client.RemovePostParams{ID: post})
		return err
	}
	wantProblem(t, remove("mod"), 403, "outranked")
	wantProblem(t, remove("mod2"), 409, "self_moderation")
	if err := errors.Join(remove("admin"), ban("admin", "mod2"), give("admin", "member", "moderator"), give("admin", "mod", "member")); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, ban("mod", "member"), 403, "not_moderator") // the same token as before
	if _, err := clients["member"].ListReports(ctx, client.ListReportsParams{}); err != nil {
		t.Error("promoted, and refused:", err)
	}

	// Two admins demote each other at once: one of them stays.
	errs := make(chan error, 2)
	for _, pair := range [][2]string{{"admin", "admin2"}, {"admin2", "admin"}} {
		go func() { errs <- give(pair[0], pair[1], "member") }()
	}
	if one, two := <-errs, <-errs; (one == nil) == (two == nil) {
		t.Errorf("both answer %v and %v", one, two)
	} else {
		wantProblem(t, errors.Join(one, two), 403, "not_admin")
	}
}

// Every act is one row and one event, with the request that did it; what failed or changed nothing is none.
func TestModerationLog(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	mod, m := staff(t, env, "mod", "moderator")
	_, boss := staff(t, env, "boss", "admin")
	post := newPost(t, a, "spam")
	comment, err := a.CreateComment(ctx, &client.CreateCommentRequest{Body: "spam"}, client.CreateCommentParams{ID: post})
	if err != nil {
		t.Fatal(err)
	}
	mustReport(t, b, string(ana.User.ID))
	resolve(t, m, openReports(t, m)[0].ID, "dismiss")
	why := client.ModerationReason("Because.")
	for range 2 { // the second time is refused, or changes nothing
		_, _ = m.RemoveComment(ctx, &client.RemoveCommentRequest{Reason: why}, client.RemoveCommentParams{ID: comment.Data.ID})
		_, _ = m.RemovePost(ctx, &client.RemovePostRequest{Reason: why}, client.RemovePostParams{ID: post})
		_, _ = m.BanUser(ctx, &client.BanUserRequest{Reason: why}, client.BanUserParams{ID: ana.User.ID})
		_, _ = b.BanUser(ctx, &client.BanUserRequest{Reason: why}, client.BanUserParams{ID: mod.User.ID})
	}
	for range 2 {
		_, _ = m.UnbanUser(ctx, &client.UnbanUserRequest{Reason: why}, client.UnbanUserParams{ID: ana.User.ID})
		_, _ = boss.SetRole(ctx, &client.SetRoleRequest{Role: "moderator", Reason: why}, client.SetRoleParams{ID: ana.User.ID})
	}
	setBanned(t, env, "ben", true)
	page, err := m.ListModerationLog(ctx, client.ListModerationLogParams{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range slices.Backward(page.Data) {
		got = append(got, fmt.Sprintf("%s %s%s %s %s %s%s %v", e.Action, e.Actor.Value.Handle, e.Operator.Value, e.Target[:4],
			e.Subject.Value.Handle, e.RoleFrom.Value, e.RoleTo.Value, e.Report.Set))
		if route := `"trace_id":"` + e.TraceId; e.Actor.Set && !strings.Contains(string(env.Log()), route) {
			t.Errorf("%s: no request has the trace %s", e.Action, e.TraceId)
		}
	}
	want := []string{
		"report_dismissed mod user ana  true", "comment_removed mod comm ana  false", "post_removed mod post ana  false",
		"user_banned mod user ana  false", "user_unbanned mod user ana  false", "role_changed boss user ana membermoderator false",
		"user_banned the test user ben  false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	first, err := m.ListModerationLog(ctx, client.ListModerationLogParams{Limit: client.NewOptInt32(3)})
	if err != nil || len(first.Data) != 3 {
		t.Fatal(first, err)
	}
	second, err := m.ListModerationLog(ctx, client.ListModerationLogParams{Limit: client.NewOptInt32(3), Cursor: client.NewOptString(first.Meta.NextCursor.Value)})
	if err != nil || second.Data[0] != page.Data[3] {
		t.Errorf("second page = %+v, %v", second, err)
	}
	var out bytes.Buffer
	if _, err := events.NewRelay(env.Pool, slog.New(slog.NewJSONHandler(&out, nil)), time.Hour).Once(ctx); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), `"event":"moderation_action"`); n != len(want) {
		t.Errorf("%d events for %d acts:\n%s", n, len(want), &out)
	}
	for _, sql := range []string{"update moderation_log set reason = ''", "delete from moderation_log"} {
		if _, err := env.Pool.Exec(ctx, sql); err == nil {
			t.Errorf("%s: the log only grows", sql)
		}
	}
}

// A member gets one answer from each moderator's operation, whatever is behind the id.
func TestMembersLearnNothing(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	seen := 0
	for _, op := range apitest.Operations(t) {
		if !moderates(op) || op.Target == "" {
			continue
		}
		seen++
		answer := func(id string) string {
			res, body := m.send(m.tokens[string(other)], op.Method, strings.Replace(op.Path, "{id}", id, 1), m.bodyOf(op, other))
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %d %s", op, res.StatusCode, body)
			}
			return m.canonical(res, body)
		}
		there, none := answer(m.make(op)), answer(apitest.Nobody(t, publicid.Kind(op.Target), 1))
		if there != none {
			t.Errorf("%s tells a member what is there:\n%s\nwhat is not:\n%s", op, there, none)
		}
	}
	if seen < 6 {
		t.Errorf("only %d operations found", seen)
	}
}

// A ban by one server is seen by the others; the moderator's own server refuses at once.
func TestBanReachesEveryReplica(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	here, there := apitest.On(t, url), apitest.On(t, url)
	ana, _ := here.Signup("ana")
	phone, _ := login(t, there, "ana", password)
	_, m := staff(t, here, "mod", "moderator")
	if _, err := m.BanUser(t.Context(), &client.BanUserRequest{Reason: "Spam."}, client.BanUserParams{ID: ana.User.ID}); err != nil {
		t.Fatal(err)
	}
	dead(t, here, "banned, here", ana)
	dead(t, here, "banned, the other session", phone)
	t.Logf("the other server refuses after %s", eventuallyRefused(t, there, phone.AccessToken))
	_, err := there.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: password})
	wantProblem(t, err, 403, "banned")
}

// An act whose row can't be written does not happen.
func TestNoActWithoutItsRow(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, m := staff(t, env, "mod", "moderator")
	post := newPost(t, a, "plums")
	mustReport(t, m, string(post))
	if _, err := env.Pool.Exec(ctx, "alter table moderation_log add check (reason <> 'Full.')"); err != nil {
		t.Fatal(err)
	}
	_, err := m.BanUser(ctx, &client.BanUserRequest{Reason: "Full."}, client.BanUserParams{ID: ana.User.ID})
	wantProblem(t, err, 500, "internal")
	_, err = m.RemovePost(ctx, &client.RemovePostRequest{Reason: "Full."}, client.RemovePostParams{ID: post})
	wantProblem(t, err, 500, "internal")
	alive(t, env, "a ban that failed", ana)
	if got := openReports(t, m); len(got) != 1 || got[0].Subject.Value.Banned || !got[0].Present {
		t.Errorf("reports = %+v", got)
	}
}

// Everybody acts on one person at once: whoever is too late is told so, and nobody waits for each other in a circle.
func TestActsTakeTurns(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	var mods []*client.Client
	for i := range 3 {
		_, m := staff(t, env, fmt.Sprint("mod", i), "moderator")
		mods = append(mods, m)
	}
	var wg sync.WaitGroup
	check := func(err error) {
		var p *client.ProblemStatusCode
		if err != nil && (!errors.As(err, &p) || p.StatusCode >= 500) {
			t.Error(err)
		}
	}
	for i := range 4 {
		post := newPost(t, a, fmt.Sprint("post ", i))
		for _, target := range []string{string(post), string(ana.User.ID)} {
			check(report(t, b, target, "spam", ""))
		}
		for n, r := range openReports(t, mods[0]) {
			for _, d := range []client.ResolveReportRequestDecision{"ban", "remove", "dismiss"} {
				wg.Go(func() {
					_, err := mods[n%3].ResolveReport(ctx, decision(d), client.ResolveReportParams{ID: r.ID})
					check(err)
				})
			}
		}
		for _, m := range mods {
			wg.Go(func() {
				_, err := m.RemovePost(ctx, &client.RemovePostRequest{Reason: "No."}, client.RemovePostParams{ID: post})
				check(err)
			})
			wg.Go(func() {
				_, err := m.UnbanUser(ctx, &client.UnbanUserRequest{Reason: "Yes."}, client.UnbanUserParams{ID: ana.User.ID})
				check(err)
			})
		}
		wg.Wait()
		_, err := mods[0].UnbanUser(ctx, &client.UnbanUserRequest{Reason: "Yes."}, client.UnbanUserParams{ID: ana.User.ID})
		check(err)
		_, a = login(t, env, "ana", password)
	}
	if got := openReports(t, mods[0]); len(got) != 0 {
		t.Errorf("open still: %+v", got)
	}
}
