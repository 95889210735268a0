package server_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/api/verify"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func deleteMe(t *testing.T, c *client.Client, password string) (*client.DeletionResponse, error) {
	t.Helper()
	return c.DeleteMe(t.Context(), &client.DeleteMeRequest{CurrentPassword: password})
}

func restore(t *testing.T, env *apitest.Env, handle, password string) (client.Session, error) {
	t.Helper()
	res, err := env.Client("").RestoreAccount(t.Context(), &client.RestoreRequest{Handle: handle, Password: password})
	if err != nil {
		return client.Session{}, err
	}
	return res.Data, nil
}

// Somebody who leaves is gone for everybody at once, with all they wrote and did, and comes back with all of it.
func TestDeleteAndRestore(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	phone, _ := login(t, env, "ana", password)
	ben, b := env.Signup("ben")
	hers, his := newPost(t, a, "plums"), newPost(t, b, "pears")
	for _, err := range []error{
		errOf(a.FollowUser(ctx, client.FollowUserParams{ID: ben.User.ID})),
		errOf(b.FollowUser(ctx, client.FollowUserParams{ID: ana.User.ID})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	react(t, a, ben.User.ID, his)
	see := func(what string, want int) {
		t.Helper()
		post, err := b.GetPost(ctx, client.GetPostParams{ID: his})
		if err != nil || post.Data.LikeCount != int64(want) || post.Data.CommentCount != int64(want) {
			t.Errorf("%s: his post = %+v, %v", what, post, err)
		}
		me, err := b.GetMe(ctx)
		if err != nil || me.Data.FollowerCount != int64(want) || me.Data.FollowingCount != int64(want) {
			t.Errorf("%s: he = %+v, %v", what, me, err)
		}
		feed, err1 := b.ListFeed(ctx, client.ListFeedParams{})
		found, err2 := b.SearchPeople(ctx, client.SearchPeopleParams{Q: "ana"})
		said, err3 := b.ListComments(ctx, client.ListCommentsParams{ID: his})
		likers, err4 := b.ListLikers(ctx, client.ListLikersParams{ID: his})
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		if len(feed.Data) != want || len(found.Data) != want || len(said.Data) != want || len(likers.Data) != want {
			t.Errorf("%s: %d in the feed, %d found, %d comments, %d likers; want %d each", what, len(feed.Data), len(found.Data),
				len(said.Data), len(likers.Data), want)
		}
		unread, err := b.GetUnreadCount(ctx)
		if err != nil || (unread.Data.Count > 0) != (want > 0) {
			t.Errorf("%s: unread = %+v, %v", what, unread, err)
		}
	}
	see("before", 1)

	_, err := deleteMe(t, a, "wrong horse")
	wantProblem(t, err, 403, "wrong_password")
	gone, err := deleteMe(t, a, password)
	if err != nil || gone.Data.SessionsEnded != 2 || time.Until(gone.Data.PurgeAt).Round(time.Hour) != 30*24*time.Hour {
		t.Fatalf("delete = %+v, %v", gone, err)
	}
	dead(t, env, "the session that deleted", ana)
	dead(t, env, "another session", phone)
	see("deleted", 0)
	_, err = b.GetUser(ctx, client.GetUserParams{ID: ana.User.ID})
	wantProblem(t, err, 404, "not_found")
	_, err = b.GetPost(ctx, client.GetPostParams{ID: hers})
	wantProblem(t, err, 404, "not_found")
	checkTheDoor(t, env, gone.Data.PurgeAt)

	_, err = restore(t, env, "ana", "wrong horse")
	wantProblem(t, err, 401, "bad_credentials")
	back, err := restore(t, env, "ANA", password)
	if err != nil || back.User != ana.User {
		t.Fatalf("restore = %+v, %v", back, err)
	}
	alive(t, env, "the session that restored", back)
	dead(t, env, "a session from before", phone)
	see("restored", 1)
	_, err = restore(t, env, "ana", password)
	wantProblem(t, err, 409, "not_deleted")
	noDrift(t, env)
}

// Of several who restore an account at once one is logged in; the others are answered like one who comes later.
func TestRestoredAtOnce(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	_, a := env.Signup("ana")
	if _, err := deleteMe(t, a, password); err != nil {
		t.Fatal(err)
	}
	const together = 6
	errs := make(chan error, together)
	for range together {
		go func() { _, err := restore(t, env, "ana", password); errs <- err }()
	}
	back := 0
	for range together {
		if err := <-errs; err == nil {
			back++
		} else {
			wantProblem(t, err, 409, "not_deleted")
		}
	}
	if back != 1 {
		t.Errorf("%d of %d restored it", back, together)
	}
}

// checkTheDoor tries to come in with the handle of a deleted account.
func checkTheDoor(t *testing.T, env *apitest.Env, purgeAt time.Time) {
	t.Helper()
	try := func(password string) error {
		_, err := env.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: password})
		return err
	}
	wantProblem(t, try("wrong horse"), 401, "bad_credentials")
	wantProblem(t, try(password), 403, "account_deleted")
	var p *client.ProblemStatusCode
	if err := try(password); !errors.As(err, &p) || !p.Response.PurgeAt.Value.Equal(purgeAt) {
		t.Errorf("purgeAt is not %s: %+v", purgeAt, p)
	}
	_, err := env.Client("").Signup(t.Context(), &client.SignupRequest{Handle: "Ana", DisplayName: "Not Ana", Password: password})
	wantProblem(t, err, 409, "handle_taken")
}

// Of ten deletions at once one is done; the others learn that the account is gone or the session is.
func TestDeletingTwice(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	_, a := env.Signup("ana")
	var done atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			_, err := deleteMe(t, a, password)
			var p *client.ProblemStatusCode
			switch {
			case err == nil:
				done.Add(1)
			case !errors.As(err, &p) || p.StatusCode != 401 || p.Response.Code != "account_gone" && p.Response.Code != "session_revoked":
				t.Errorf("a deletion that came second: %v", err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Errorf("%d deletions were done", done.Load())
	}
}

// A deletion does not undo a ban, nor the other way round.
func TestDeletedAndBanned(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	_, a := env.Signup("ana")
	if _, err := deleteMe(t, a, password); err != nil {
		t.Fatal(err)
	}
	found, err := session.New(env.Pool, session.NewDenyMap(), session.Options{}).Find(t.Context(), "Ana")
	if err != nil || found.DeletedAt == nil || found.PurgeAt == nil {
		t.Fatalf("Find = %+v, %v", found, err)
	}
	setBanned(t, env, "ana", true)
	_, err = restore(t, env, "ana", password)
	wantProblem(t, err, 403, "banned")
	setBanned(t, env, "ana", false)
	if _, err := restore(t, env, "ana", password); err != nil {
		t.Errorf("restore after the ban was lifted: %v", err)
	}
	noDrift(t, env)
}

// Once its time has come an account is as unknown as one that never was, whether the purge has begun or not.
func TestTooLateToRestore(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]string{
		"due":      "update users set purge_at = now() - interval '1 second'",
		"begun":    "update users set purge_started_at = now()",
		"finished": "update users set purge_at = null",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := apitest.New(t)
			_, a := env.Signup("ana")
			if _, err := deleteMe(t, a, password); err != nil {
				t.Fatal(err)
			}
			if _, err := env.Pool.Exec(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			_, err := restore(t, env, "ana", password)
			wantProblem(t, err, 401, "bad_credentials")
			_, err = env.Client("").Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: password})
			wantProblem(t, err, 401, "bad_credentials")
		})
	}
}

// noDrift fails when rows of the database contradict each other.
func noDrift(t *testing.T, env *apitest.Env) {
	t.Helper()
	rep, err := verify.Run(t.Context(), env.Pool.Config().ConnString(), verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Checks {
		if f.Drift > 0 {
			t.Errorf("%s: %d rows: %v", f.Check, f.Drift, f.Examples)
		}
	}
}

// A server that works jobs purges who is due and removes what is old, and counts both.
func TestPurgedByTheClock(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	env := apitest.On(t, url)
	_, a := env.Signup("ana")
	ben, b := env.Signup("ben")
	his := newPost(t, b, "pears")
	react(t, a, ben.User.ID, his)
	if _, err := deleteMe(t, a, password); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"update users set purge_at = now() where handle = 'ana'",
		"update notifications set created_at = now() - interval '91 days' where kind = 'like'",
	} {
		if _, err := env.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	working := apitest.On(t, url, apitest.Mailing(t, false))
	until(t, "the account is purged and the notifications are gone", func() bool {
		var left int
		err := env.Pool.QueryRow(t.Context(), "select (select count(*) from users where handle = 'ana') + (select count(*) from notifications)").Scan(&left)
		return err == nil && left == 0
	})
	rec := httptest.NewRecorder()
	until(t, "the purge is counted", func() bool {
		rec = httptest.NewRecorder()
		working.Server.Admin().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
		return strings.Contains(rec.Body.String(), "purge_accounts_total 1\n")
	})
	for _, line := range []string{"purge_accounts_due 0\n", "purge_rows_total{table=\"comments\"} 1\n", "retention_deleted_total{what=\"posts\"} 0\n"} {
		if !strings.Contains(rec.Body.String(), line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if _, err := env.Client("").Signup(t.Context(), &client.SignupRequest{Handle: "ana", DisplayName: "Another", Password: password}); err != nil {
		t.Errorf("the handle is not free: %v", err)
	}
	noDrift(t, env)
}
