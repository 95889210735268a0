package server_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
)

func handles(people []client.Person) string {
	var s string
	for _, p := range people {
		s += string(p.Handle) + " "
	}
	return s
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	me, err := a.UpdateMe(ctx, &client.UpdateMeRequest{Bio: client.NewOptString("  Grows plums.\n")})
	if err != nil || me.Data.Bio != "Grows plums." || me.Data.DisplayName != "ANA" {
		t.Fatalf("me = %+v, %v", me, err)
	}
	me, err = a.UpdateMe(ctx, &client.UpdateMeRequest{DisplayName: client.NewOptString("Ana Orchard"), Bio: client.NewOptString("")})
	if err != nil || me.Data.Bio != "" || me.Data.DisplayName != "Ana Orchard" {
		t.Fatalf("me = %+v, %v", me, err)
	}
	_, err = a.UpdateMe(ctx, &client.UpdateMeRequest{DisplayName: client.NewOptString(" \t ")})
	wantProblem(t, err, 400, "invalid_input")
	_, err = a.UpdateMe(ctx, &client.UpdateMeRequest{Bio: client.NewOptString("a\x00b")})
	wantProblem(t, err, 400, "invalid_input")
	for range 2 {
		if _, err := b.FollowUser(ctx, client.FollowUserParams{ID: ana.User.ID}); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := b.GetUser(ctx, client.GetUserParams{ID: ana.User.ID})
	if err != nil || !seen.Data.Following || seen.Data.FollowerCount != 1 || seen.Data.DisplayName != "Ana Orchard" {
		t.Errorf("Ana for Ben = %+v, %v", seen, err)
	}
	for range 2 {
		f, err := b.UnfollowUser(ctx, client.UnfollowUserParams{ID: ana.User.ID})
		if err != nil || f.Data.Following {
			t.Fatalf("unfollow = %+v, %v", f, err)
		}
	}
	_, err = a.UnfollowUser(ctx, client.UnfollowUserParams{ID: ana.User.ID})
	wantProblem(t, err, 409, "self_follow")
	public, status := get(t, env, "/api/v1/users/"+string(ana.User.ID))
	if public != 200 {
		t.Errorf("Ana without a token: %d %s", public, status)
	}
}

// Lists of people page through everybody exactly once, and leave out whom a block hides.
func TestListsOfPeople(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	var last client.Session
	for i := range 4 {
		s, c := env.Signup(fmt.Sprintf("friend%d", i))
		if _, err := c.FollowUser(ctx, client.FollowUserParams{ID: ana.User.ID}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.FollowUser(ctx, client.FollowUserParams{ID: s.User.ID}); err != nil {
			t.Fatal(err)
		}
		last = s
	}
	if _, err := a.BlockUser(ctx, client.BlockUserParams{ID: last.User.ID}); err != nil {
		t.Fatal(err)
	}
	read := map[string]func(cursor client.OptString) (*client.PersonListResponse, error){
		"followers": func(c client.OptString) (*client.PersonListResponse, error) {
			return a.ListFollowers(ctx, client.ListFollowersParams{ID: ana.User.ID, Cursor: c, Limit: client.NewOptInt32(2)})
		},
		"following": func(c client.OptString) (*client.PersonListResponse, error) {
			return a.ListFollowing(ctx, client.ListFollowingParams{ID: ana.User.ID, Cursor: c, Limit: client.NewOptInt32(2)})
		},
		"search": func(c client.OptString) (*client.PersonListResponse, error) {
			return a.SearchPeople(ctx, client.SearchPeopleParams{Q: "FRIEND", Cursor: c, Limit: client.NewOptInt32(2)})
		},
	}
	for name, page := range read {
		if got := allPeople(t, page); got != "friend2 friend1 friend0 " {
			t.Errorf("%s = %s", name, got)
		}
	}
	blocks, err := a.ListBlocks(ctx, client.ListBlocksParams{})
	if err != nil || handles(blocks.Data) != "friend3 " {
		t.Errorf("blocks = %+v, %v", blocks, err)
	}
}

func allPeople(t *testing.T, page func(client.OptString) (*client.PersonListResponse, error)) string {
	t.Helper()
	var all []client.Person
	var cursor client.OptString
	for range 20 {
		res, err := page(cursor)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, res.Data...)
		next, ok := res.Meta.NextCursor.Get()
		if !ok {
			return handles(all)
		}
		cursor = client.NewOptString(next)
	}
	t.Fatal("the list does not end")
	return ""
}

// The exact handle stands first whatever the size of the page, and nobody is lost or doubled by that.
func TestSearchOrder(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	_, c := env.Signup("plum")
	for _, h := range []string{"plum_tree", "plumber", "other_one"} {
		env.Signup(h)
	}
	if _, err := env.Pool.Exec(t.Context(), "update users set display_name = 'Stone Fruit (Plum)' where handle = 'other_one'"); err != nil {
		t.Fatal(err)
	}
	for limit := range int32(4) {
		got := allPeople(t, func(cursor client.OptString) (*client.PersonListResponse, error) {
			return c.SearchPeople(t.Context(), client.SearchPeopleParams{Q: "plum", Cursor: cursor, Limit: client.NewOptInt32(limit + 1)})
		})
		if got != "plum other_one plumber plum_tree " {
			t.Errorf("limit %d: %s", limit+1, got)
		}
	}
	for _, nothing := range []string{"%", "__", "'; drop table users", "&|!:*()", "\\"} {
		res, err := c.SearchPeople(t.Context(), client.SearchPeopleParams{Q: nothing})
		if err != nil || len(res.Data) != 0 {
			t.Errorf("search %q = %+v, %v", nothing, res, err)
		}
	}
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	ben, b := env.Signup("ben")
	for _, err := range []error{
		errOf(a.FollowUser(ctx, client.FollowUserParams{ID: ben.User.ID})), errOf(b.FollowUser(ctx, client.FollowUserParams{ID: ana.User.ID})),
		errOf(a.BlockUser(ctx, client.BlockUserParams{ID: ben.User.ID})), errOf(a.BlockUser(ctx, client.BlockUserParams{ID: ben.User.ID})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.GetUser(ctx, client.GetUserParams{ID: ana.User.ID})
	wantProblem(t, err, 404, "not_found")
	wantProblem(t, errOf(b.BlockUser(ctx, client.BlockUserParams{ID: ana.User.ID})), 404, "not_found")
	wantProblem(t, errOf(b.UnblockUser(ctx, client.UnblockUserParams{ID: ana.User.ID})), 404, "not_found")
	wantProblem(t, errOf(a.BlockUser(ctx, client.BlockUserParams{ID: ana.User.ID})), 409, "self_block")
	if res, err := a.UnblockUser(ctx, client.UnblockUserParams{ID: ben.User.ID}); err != nil || res.Data.Blocked {
		t.Fatalf("unblock = %+v, %v", res, err)
	}
	again, err := b.GetUser(ctx, client.GetUserParams{ID: ana.User.ID})
	if err != nil || again.Data.Following || again.Data.FollowerCount != 0 {
		t.Errorf("after the unblock: %+v, %v; follows do not come back", again, err)
	}
}

func errOf[T any](_ T, err error) error { return err }

// Two people who block and unblock each other at the same moment end neither in a deadlock nor with a block that hides
// nothing.
func TestBlocksTakeTurns(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, a := env.Signup("ana")
	ben, b := env.Signup("ben")
	pool, ctx := env.Pool, t.Context()
	var wg sync.WaitGroup
	for _, side := range []struct {
		c  *client.Client
		id client.UserId
	}{{a, ben.User.ID}, {b, ana.User.ID}} {
		wg.Go(func() {
			for range 40 {
				for _, err := range []error{
					errOf(side.c.BlockUser(ctx, client.BlockUserParams{ID: side.id})),
					errOf(side.c.UnblockUser(ctx, client.UnblockUserParams{ID: side.id})),
				} {
					if err != nil { // the other one blocks: this one may know nothing of it
						wantProblem(t, err, 404, "not_found")
					}
				}
				var drift int
				if err := pool.QueryRow(ctx, `select count(*) from blocks b where not exists (
					select 1 from hidden h where h.viewer_id = b.blocked_id and h.other_id = b.blocker_id)`).Scan(&drift); err != nil || drift != 0 {
					t.Errorf("%d blocks hide nothing, %v", drift, err)
				}
			}
		})
	}
	wg.Wait()
}
