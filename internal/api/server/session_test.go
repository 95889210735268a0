package server_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/moderation"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

const password = "correct horse" // of everybody whom apitest signs up

func login(t *testing.T, env *apitest.Env, handle, password string) (client.Session, *client.Client) {
	t.Helper()
	res, err := env.Client("").Login(t.Context(), &client.LoginRequest{Handle: handle, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return res.Data, env.Client(res.Data.AccessToken)
}

func refresh(t *testing.T, env *apitest.Env, token string) (client.Session, error) {
	t.Helper()
	res, err := env.Client("").RefreshSession(t.Context(), &client.RefreshRequest{RefreshToken: token})
	if err != nil {
		return client.Session{}, err
	}
	return res.Data, nil
}

// dead checks that nothing of a session works any more.
func dead(t *testing.T, env *apitest.Env, what string, s client.Session) {
	t.Helper()
	t.Log(what)
	_, err := env.Client(s.AccessToken).GetMe(t.Context())
	wantProblem(t, err, 401, "session_revoked")
	_, err = refresh(t, env, s.RefreshToken)
	wantProblem(t, err, 401, "bad_refresh_token")
}

func alive(t *testing.T, env *apitest.Env, what string, s client.Session) {
	t.Helper()
	if _, err := env.Client(s.AccessToken).GetMe(t.Context()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// A person with three devices: refreshing, looking at the sessions, ending one, then the others, then all.
func TestSessionJourney(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	first, phone := env.Signup("ana")
	second, laptop := login(t, env, "ana", password)

	next, err := refresh(t, env, first.RefreshToken)
	if err != nil || next.RefreshToken == first.RefreshToken || next.User != first.User {
		t.Fatalf("refresh = %+v, %v", next, err)
	}
	again, err := refresh(t, env, first.RefreshToken)
	if err != nil || again.RefreshToken != next.RefreshToken {
		t.Fatalf("the answer got lost, and asking again gives %q, %v; want %q", again.RefreshToken, err, next.RefreshToken)
	}
	alive(t, env, "the access token from before the refresh", first)

	page, err := laptop.ListSessions(ctx, client.ListSessionsParams{Limit: client.NewOptInt32(1)})
	if err != nil || len(page.Data) != 1 || !page.Data[0].Current || page.Meta.NextCursor.Null || page.Data[0].UserAgent == "" {
		t.Fatalf("first page = %+v, %v", page, err)
	}
	older, err := laptop.ListSessions(ctx, client.ListSessionsParams{Cursor: client.NewOptString(page.Meta.NextCursor.Value)})
	if err != nil || len(older.Data) != 1 || older.Data[0].Current || !older.Meta.NextCursor.Null {
		t.Fatalf("second page = %+v, %v", older, err)
	}
	_, ben := env.Signup("ben")
	_, err = ben.RevokeSession(ctx, client.RevokeSessionParams{ID: older.Data[0].ID})
	wantProblem(t, err, 404, "not_found")
	alive(t, env, "a session that somebody else tried to end", next)
	if res, err := laptop.RevokeSession(ctx, client.RevokeSessionParams{ID: older.Data[0].ID}); err != nil || res.Data.SessionsEnded != 1 {
		t.Fatalf("revoke = %+v, %v", res, err)
	}
	dead(t, env, "a session ended from another one", next)
	_, err = laptop.RevokeSession(ctx, client.RevokeSessionParams{ID: older.Data[0].ID})
	wantProblem(t, err, 404, "not_found")
	_, err = laptop.RevokeSession(ctx, client.RevokeSessionParams{ID: "sess_zzzzzzzzzzz"})
	wantProblem(t, err, 404, "not_found")
	_, err = phone.ListSessions(ctx, client.ListSessionsParams{})
	wantProblem(t, err, 401, "session_revoked")

	third, tablet := login(t, env, "ana", password)
	if res, err := tablet.Logout(ctx); err != nil || res.Data.SessionsEnded != 1 {
		t.Fatalf("logout = %+v, %v", res, err)
	}
	dead(t, env, "a session that logged out", third)
	fourth, _ := login(t, env, "ana", password)
	if res, err := laptop.LogoutEverywhere(ctx); err != nil || res.Data.SessionsEnded != 2 {
		t.Fatalf("logout everywhere = %+v, %v", res, err)
	}
	dead(t, env, "logged out everywhere, here", second)
	dead(t, env, "logged out everywhere, there", fourth)
	fresh, _ := login(t, env, "ana", password)
	alive(t, env, "logged in again within the same second", fresh)
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	here, c := env.Signup("ana")
	there, _ := login(t, env, "ana", password)
	change := func(current, next string) (*client.EndedResponse, error) {
		return c.ChangePassword(t.Context(), &client.ChangePasswordRequest{CurrentPassword: current, NewPassword: next})
	}
	_, err := change("wrong horse", "battery staple")
	wantProblem(t, err, 403, "wrong_password")
	if res, err := change(password, "battery staple"); err != nil || res.Data.SessionsEnded != 1 {
		t.Fatalf("change = %+v, %v", res, err)
	}
	dead(t, env, "the other session", there)
	alive(t, env, "the session it was changed from", here)
	_, err = env.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: password})
	wantProblem(t, err, 401, "bad_credentials")
	login(t, env, "ana", "battery staple")
}

// A login with the old password that runs while the password is changed does not survive the change.
func TestLoginDuringPasswordChange(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	_, c := env.Signup("ana")
	current := password
	for i := range 8 {
		var wg sync.WaitGroup
		var thief *client.SessionResponse
		next := strings.Repeat("x", 9+i)
		wg.Go(func() {
			thief, _ = env.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: current})
		})
		wg.Go(func() {
			if _, err := c.ChangePassword(t.Context(), &client.ChangePasswordRequest{CurrentPassword: current, NewPassword: next}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		current = next
		if thief != nil {
			dead(t, env, "a session opened with the old password", thief.Data)
		}
	}
}

// A stolen refresh token ends its session the first time it is used outside the window, for thief and owner.
func TestReuseEndsTheSession(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	stolen, _ := env.Signup("ana")
	bystander, _ := login(t, env, "ana", password)
	owner, err := refresh(t, env, stolen.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	later(t, env)
	alive(t, env, "the session before the theft shows", owner)
	_, err = refresh(t, env, stolen.RefreshToken)
	wantProblem(t, err, 401, "bad_refresh_token")
	dead(t, env, "the owner's half of a stolen session", owner)
	alive(t, env, "another session of the owner", bystander)

	// Two refreshes back is a theft also within the window.
	first, _ := env.Signup("ben")
	second, err := refresh(t, env, first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	third, err := refresh(t, env, second.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	_, err = refresh(t, env, first.RefreshToken)
	wantProblem(t, err, 401, "bad_refresh_token")
	dead(t, env, "a session whose last but one token came back", third)
}

// later lets the window of every session pass.
func later(t *testing.T, env *apitest.Env) {
	t.Helper()
	_, err := env.Pool.Exec(t.Context(), `update sessions set last_used_at = last_used_at - make_interval(secs => $1)`,
		session.ReuseWindow.Seconds()+1)
	if err != nil {
		t.Fatal(err)
	}
}

// Forged tokens are refused and end nothing: only who holds a genuine one can. Junk is refused without the database.
func TestForgedRefreshTokens(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	for _, text := range []string{
		"junk", strings.Repeat("A", 256), ana.RefreshToken + "A", ana.RefreshToken[1:],
		session.Token{Session: 1, Counter: 0}.Sign([]byte("not the key")), session.Token{Session: 1, Counter: 9}.Sign([]byte("not the key")),
		session.Token{Session: 999}.Sign([]byte("no such session")),
	} {
		_, err := refresh(t, env, text)
		wantProblem(t, err, 401, "bad_refresh_token")
	}
	alive(t, env, "the session that was aimed at", ana)
	closeDatabase(t, env)
	_, err := refresh(t, env, "junk")
	wantProblem(t, err, 401, "bad_refresh_token")
	_, err = refresh(t, env, ana.RefreshToken)
	wantProblem(t, err, 503, "database_unavailable")
}

// Twenty tabs refresh at once: each gets the same next token, and the session lives.
func TestParallelRefreshes(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	for range 5 {
		var wg sync.WaitGroup
		answers := make([]client.Session, 20)
		for i := range answers {
			wg.Go(func() {
				var err error
				if answers[i], err = refresh(t, env, ana.RefreshToken); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, a := range answers {
			if a.RefreshToken != answers[0].RefreshToken {
				t.Errorf("two next tokens: %s and %s", a.RefreshToken, answers[0].RefreshToken)
			}
		}
		ana = answers[0]
	}
	alive(t, env, "the session after a hundred refreshes", ana)
}

// Whatever a refresh that runs during a logout answers, it is worth nothing afterwards.
func TestLogoutDuringRefresh(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	env.Signup("ana")
	won := 0
	for range 12 {
		s, c := login(t, env, "ana", password)
		var got *client.SessionResponse
		var wg sync.WaitGroup
		wg.Go(func() {
			got, _ = env.Client("").RefreshSession(t.Context(), &client.RefreshRequest{RefreshToken: s.RefreshToken})
		})
		wg.Go(func() {
			if _, err := c.Logout(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		dead(t, env, "logged out", s)
		if got != nil {
			won++
			dead(t, env, "what the refresh answered", got.Data)
		}
	}
	t.Logf("the refresh came first %d times of 12", won)
}

// An account keeps the sessions that it uses: the one above its limit that was used longest ago ends with the login that is one
// too many, on every server. Many logins at once end up at the limit, not above it.
func TestSessionLimit(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	limit := func(o *server.Options) { o.MaxSessions = 3 }
	here, there := apitest.On(t, url, limit), apitest.On(t, url, limit)
	first, _ := here.Signup("ana")
	second, _ := login(t, here, "ana", password)
	third, _ := login(t, here, "ana", password)
	kept, err := refresh(t, here, first.RefreshToken) // the oldest, and used last
	if err != nil {
		t.Fatal(err)
	}
	fourth, c := login(t, here, "ana", password)
	dead(t, here, "the session that was used longest ago", second)
	t.Logf("the other server refuses it after %s", eventuallyRefused(t, there, second.AccessToken))
	for what, s := range map[string]client.Session{"refreshed": kept, "younger": third, "the newest": fourth} {
		alive(t, here, what, s)
		alive(t, there, what, s)
	}
	var why string
	err = here.Pool.QueryRow(t.Context(), "select revoked_reason from sessions where revoked_at is not null").Scan(&why)
	if err != nil || why != string(session.Limit) {
		t.Errorf("reason %q, %v", why, err)
	}
	var many sync.WaitGroup
	for i := range 8 {
		many.Go(func() {
			_, err := []*apitest.Env{here, there}[i%2].Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: password})
			var p *client.ProblemStatusCode
			if err != nil && (!errors.As(err, &p) || p.StatusCode != 503 && p.StatusCode != 504) { // a busy machine turns some away
				t.Error(err)
			}
		})
	}
	many.Wait()
	var live int
	err = here.Pool.QueryRow(t.Context(), "select count(*) from sessions where revoked_at is null").Scan(&live)
	if err != nil || live != 3 {
		t.Errorf("%d live sessions after many logins at once, %v; want 3", live, err)
	}
	_, err = c.ListSessions(t.Context(), client.ListSessionsParams{})
	wantProblem(t, err, 401, "session_revoked")
	_, newest := login(t, there, "ana", password)
	page, err := newest.ListSessions(t.Context(), client.ListSessionsParams{})
	if err != nil || len(page.Data) != 3 || !page.Data[0].Current {
		t.Errorf("%d sessions, %v; want 3", len(page.Data), err)
	}
	if !strings.Contains(metrics(t, here), "auth_session_surplus_total") {
		t.Error("no metric")
	}
}

// setBanned bans somebody, or lifts the ban, as an operator does: from another process.
func setBanned(t *testing.T, env *apitest.Env, handle string, banned bool) moderation.Ban {
	t.Helper()
	sessions := session.New(env.Pool, session.NewDenyMap(), session.Options{AccessTTL: time.Minute})
	a, err := sessions.Find(t.Context(), handle)
	if err != nil {
		t.Fatal(err)
	}
	desk := moderation.New(env.Pool, sessions, moderation.Options{})
	act := desk.Unban
	if banned {
		act = desk.Ban
	}
	b, err := act(t.Context(), moderation.Actor{Operator: "the test"}, a.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// That an account is banned is said to who knows the password, and to nobody else.
func TestBanned(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	if b := setBanned(t, env, "ana", true); !b.Changed || b.Sessions != 1 {
		t.Fatalf("ban = %+v", b)
	}
	if b := setBanned(t, env, "ana", true); b.Changed {
		t.Errorf("banning twice = %+v", b)
	}
	try := func(password string) error {
		_, err := env.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: password})
		return err
	}
	wantProblem(t, try("wrong horse"), 401, "bad_credentials")
	wantProblem(t, try(password), 403, "banned")
	eventuallyRefused(t, env, ana.AccessToken)
	dead(t, env, "a session of a banned account", ana)
	if b := setBanned(t, env, "ana", false); !b.Changed {
		t.Errorf("unban = %+v", b)
	}
	fresh, _ := login(t, env, "ana", password)
	alive(t, env, "logged in after the ban was lifted, within the same second", fresh)
	dead(t, env, "a session that the ban ended", ana)
}
