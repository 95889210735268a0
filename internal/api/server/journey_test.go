package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/seed"
)

// The newcomer's journey through the generated client: sign up, post, follow, read the feed, browse.
func TestJourney(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, anaClient := env.Signup("ana")
	_, ben := env.Signup("ben")
	ctx := t.Context()

	post, err := anaClient.CreatePost(ctx, &client.CreatePostRequest{Body: "  The first plums are in.\nCome early. 🍑 "})
	if err != nil {
		t.Fatal(err)
	}
	if post.Data.Body != "The first plums are in.\nCome early. 🍑" || post.Data.Author.ID != ana.User.ID {
		t.Errorf("post = %+v", post.Data)
	}
	if post.Data.CreatedAt.Nanosecond()%1000 != 0 || post.Data.CreatedAt.IsZero() {
		t.Errorf("createdAt = %v, want microseconds", post.Data.CreatedAt)
	}
	for range 2 { // following twice is following once
		f, err := ben.FollowUser(ctx, client.FollowUserParams{ID: ana.User.ID})
		if err != nil || !f.Data.Following || f.Data.User.Handle != "ana" {
			t.Fatalf("follow = %+v, %v", f, err)
		}
	}
	feed, err := ben.ListFeed(ctx, client.ListFeedParams{})
	if err != nil || len(feed.Data) != 1 || feed.Data[0].ID != post.Data.ID || !feed.Meta.NextCursor.Null {
		t.Fatalf("feed = %+v, %v", feed, err)
	}
	me, err := anaClient.GetMe(ctx)
	if err != nil || me.Data.PostCount != 1 || me.Data.FollowerCount != 1 || me.Data.FollowingCount != 0 {
		t.Fatalf("me = %+v, %v", me, err)
	}
	again, err := env.Client("").Login(ctx, &client.LoginRequest{Handle: "ANA", Password: "correct horse"})
	if err != nil || again.Data.User.ID != ana.User.ID {
		t.Fatalf("login = %+v, %v", again, err)
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	seeded, err := seedDemo(t, env)
	if err != nil || !seeded {
		t.Fatalf("Seed = %v, %v", seeded, err)
	}
	if again, err := seedDemo(t, env); err != nil || again {
		t.Fatalf("second Seed = %v, %v; want false: the database has people in it", again, err)
	}
	c := env.Client("")
	seen := map[client.ProductId]bool{}
	var total int64
	for page := int32(1); ; page++ {
		res, err := c.ListProducts(t.Context(), client.ListProductsParams{Page: client.NewOptInt32(page), Limit: client.NewOptInt32(20)})
		if err != nil {
			t.Fatal(err)
		}
		total = res.Meta.Total
		for _, p := range res.Data {
			if seen[p.ID] {
				t.Errorf("product %s is on two pages", p.ID)
			}
			seen[p.ID] = true
		}
		if len(res.Data) < 20 {
			break
		}
	}
	if int64(len(seen)) != total || total < 40 {
		t.Errorf("paged through %d products, meta.total is %d", len(seen), total)
	}
	for id := range seen {
		p, err := c.GetProduct(t.Context(), client.GetProductParams{ID: id})
		if err != nil || p.Data.ID != id {
			t.Fatalf("GetProduct(%s) = %+v, %v", id, p, err)
		}
		break
	}
}

// seedDemo makes the demo community and says whether it did.
func seedDemo(t testing.TB, env *apitest.Env) (bool, error) {
	t.Helper()
	conn, err := env.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	return seed.Demo(t.Context(), conn.Conn(), fastHasher{}, nil)
}

type fastHasher struct{}

func (fastHasher) Hash(context.Context, string) (string, error) { return "unused", nil }

// The frontier query answers like the obvious query, for every cursor, on a random graph.
func TestFeedIsExact(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, viewer := env.Signup("viewer")
	_, err := env.Pool.Exec(ctx, `insert into users (handle, display_name, password_hash)
		select 'u' || lpad(i::text, 3, '0'), 'U', 'x' from generate_series(1, 60) i`)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 400 { // zipf-like: low numbers write most
		author := 1 + rng.IntN(1+rng.IntN(60))
		if _, err := env.Pool.Exec(ctx, `insert into posts (author_id, body, deleted_at)
			select id, 'p', case when $2 then now() end from users where handle = 'u' || lpad($1::text, 3, '0')`,
			fmt.Sprint(author), rng.IntN(10) == 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := env.Pool.Exec(ctx, `insert into follows (follower_id, followee_id)
		select v.id, u.id from users v, users u where v.handle = 'viewer' and u.id % 3 <> 0 and u.id <> v.id`); err != nil {
		t.Fatal(err)
	}
	if _, err := env.Pool.Exec(ctx, `insert into hidden select v.id, u.id from users v, users u
		where v.handle = 'viewer' and u.handle in ('u002', 'u004')`); err != nil {
		t.Fatal(err)
	}
	var want int
	if err := env.Pool.QueryRow(ctx, `select count(*) from posts p join follows f on f.followee_id = p.author_id
		join users v on v.id = f.follower_id and v.handle = 'viewer'
		where p.deleted_at is null and not exists (select 1 from hidden h where h.viewer_id = v.id and h.other_id = p.author_id)`).
		Scan(&want); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int32{1, 7, 20, 100} {
		if got := readAll(t, viewer, limit); got != want {
			t.Errorf("limit %d: paged through %d posts, the plain query has %d", limit, got, want)
		}
	}
}

// readAll pages through the feed and returns how many different posts it had, newest first.
func readAll(t *testing.T, c *client.Client, limit int32) int {
	t.Helper()
	seen := map[client.PostId]bool{}
	params := client.ListFeedParams{Limit: client.NewOptInt32(limit)}
	for {
		page, err := c.ListFeed(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range page.Data {
			if seen[p.ID] {
				t.Fatalf("limit %d: %s appears twice", limit, p.ID)
			}
			if i > 0 && p.CreatedAt.After(page.Data[i-1].CreatedAt) {
				t.Fatalf("limit %d: not newest first", limit)
			}
			seen[p.ID] = true
		}
		next, ok := page.Meta.NextCursor.Get()
		if !ok {
			return len(seen)
		}
		params.Cursor = client.NewOptString(next)
	}
}

// wantProblem checks status and code of an error that the generated client returned.
func wantProblem(t *testing.T, err error, status int, code string) {
	t.Helper()
	var p *client.ProblemStatusCode
	if !errors.As(err, &p) {
		t.Errorf("error %v, want problem %d %s", err, status, code)
		return
	}
	if p.StatusCode != status || p.Response.Code != code {
		t.Errorf("problem %d %s (%s), want %d %s", p.StatusCode, p.Response.Code, p.Response.Detail, status, code)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, c := env.Signup("ana")
	ctx := t.Context()
	signup := func(handle, name string) error {
		_, err := env.Client("").Signup(ctx, &client.SignupRequest{Handle: client.Handle(handle), DisplayName: name, Password: "correct horse"})
		return err
	}
	wantProblem(t, signup("ANA", "Other"), 409, "handle_taken")
	wantProblem(t, signup("blank", "   "), 400, "invalid_input")
	wantProblem(t, signup("nul", "a\x00b"), 400, "invalid_input")
	login := func(handle, password string) error {
		_, err := env.Client("").Login(ctx, &client.LoginRequest{Handle: handle, Password: password})
		return err
	}
	wantProblem(t, login("ana", "wrong horse"), 401, "bad_credentials")
	wantProblem(t, login("nobody", "wrong horse"), 401, "bad_credentials")
	wantProblem(t, login("ana\x00", "wrong horse"), 401, "bad_credentials")
	_, err := c.FollowUser(ctx, client.FollowUserParams{ID: ana.User.ID})
	wantProblem(t, err, 409, "self_follow")
	_, err = c.FollowUser(ctx, client.FollowUserParams{ID: "user_zzzzzzzzzzz"})
	wantProblem(t, err, 404, "not_found")
	_, err = c.CreatePost(ctx, &client.CreatePostRequest{Body: " \n "})
	wantProblem(t, err, 400, "invalid_input")
	_, err = env.Client("").GetProduct(ctx, client.GetProductParams{ID: "prod_11111111111"})
	wantProblem(t, err, 404, "not_found")
	_, err = env.Client("").ListProducts(ctx, client.ListProductsParams{Page: client.NewOptInt32(101), Limit: client.NewOptInt32(100)})
	wantProblem(t, err, 400, "page_too_deep")
	if _, err := env.Pool.Exec(ctx, "delete from users"); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetMe(ctx)
	wantProblem(t, err, 401, "account_gone")
	_, err = c.CreatePost(ctx, &client.CreatePostRequest{Body: "from beyond"})
	wantProblem(t, err, 401, "account_gone")
}

// The same password typed on two keyboards arrives as different bytes (a ligature, a decomposed letter) and still opens.
func TestPasswordsAreNormalised(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	c := env.Client("")
	_, err := c.Signup(t.Context(), &client.SignupRequest{Handle: "ana", DisplayName: "Ana", Password: "\ufb01sch caf\u00e9"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: "fisch cafe\u0301"}); err != nil {
		t.Errorf("typed on another keyboard: %v", err)
	}
	_, err = c.Login(t.Context(), &client.LoginRequest{Handle: "ana", Password: "fisch cafe"})
	wantProblem(t, err, 401, "bad_credentials")
}
