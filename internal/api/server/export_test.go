package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
)

// exported is an export, by type of line.
type exported map[string][]map[string]any

// startExport asks for an export and returns the answer before anything of it is read.
func startExport(t *testing.T, env *apitest.Env, token, password string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, env.URL+"/api/v1/me/export",
		strings.NewReader(fmt.Sprintf(`{"currentPassword":%q}`, password)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(req) // the validating one reads every answer to its end
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// readExport reads a whole export and checks its frame.
func readExport(t *testing.T, res *http.Response) exported {
	t.Helper()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-ndjson" {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("%d %s: %.300s", res.StatusCode, res.Header.Get("Content-Type"), body)
	}
	out, n := exported{}, 0
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); n++ {
		var l struct {
			Type string
			Data map[string]any
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Data == nil {
			t.Fatalf("line %d: %v: %s", n, err, lines.Bytes())
		}
		out[l.Type] = append(out[l.Type], l.Data)
	}
	end := out["end"]
	if err := lines.Err(); err != nil || len(end) != 1 || end[0]["lines"] != float64(n-1) || out["export"][0]["format"] != "platctl.export" {
		t.Fatalf("%d lines, %v, %v", n, end, err)
	}
	return out
}

func (e exported) values(kind, field string) string {
	var out []string
	for _, l := range e[kind] {
		out = append(out, fmt.Sprint(l[field]))
	}
	return strings.Join(out, " ")
}

// An export tells everything that somebody wrote and did, and of others what they may see.
func TestExport(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	ben, b := env.Signup("ben")
	_, cleo := env.Signup("cleo")
	hers, gone := newPost(t, a, "plums & <pears> 🍑"), newPost(t, a, "rotten")
	his, hidden := newPost(t, b, "apples"), newPost(t, cleo, "cherries")
	react(t, b, ana.User.ID, hers)
	react(t, a, ben.User.ID, his)
	for _, err := range []error{
		a.DeletePost(ctx, client.DeletePostParams{ID: gone}),
		errOf(a.LikePost(ctx, client.LikePostParams{ID: hidden})),
		errOf(cleo.LikePost(ctx, client.LikePostParams{ID: hers})),
		errOf(a.FollowUser(ctx, client.FollowUserParams{ID: ben.User.ID})),
		errOf(b.FollowUser(ctx, client.FollowUserParams{ID: ana.User.ID})),
		errOf(a.CreateReport(ctx, &client.CreateReportRequest{Target: client.ModerationTarget(hidden), Reason: "spam", Text: client.NewOptString("again")})),
		errOf(cleo.BlockUser(ctx, client.BlockUserParams{ID: ana.User.ID})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	dave, _ := env.Signup("dave")
	if _, err := a.BlockUser(ctx, client.BlockUserParams{ID: dave.User.ID}); err != nil {
		t.Fatal(err)
	}
	x := readExport(t, startExport(t, env, ana.AccessToken, password))
	want := map[string][3]string{ // type: field, values
		"account":      {"handle", "ana"},
		"post":         {"id", string(hers) + " " + string(gone)},
		"comment":      {"post", string(his)},
		"like":         {"post", string(his) + " " + string(hidden)},
		"follow":       {"handle", "ben"},
		"block":        {"handle", "dave"},
		"notification": {"handle", "ben ben ben"},
		"report":       {"target", string(hidden)},
		"session":      {"endedAt", "<nil>"},
	}
	for kind, w := range want {
		if got := x.values(kind, w[0]); got != w[1] {
			t.Errorf("%s: %s is %q, want %q", kind, w[0], got, w[1])
		}
		delete(x, kind)
	}
	delete(x, "export")
	delete(x, "end")
	if len(x) > 0 {
		t.Errorf("unexpected lines: %v", x)
	}
}

// An export pages through everything once, however many rows share a key, and says what is deleted.
func TestExportOfMany(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	for _, sql := range []string{
		"insert into posts (author_id, body, deleted_at) select 1, 'post ' || i, case when i % 7 = 0 then now() end from generate_series(1, 1203) i",
		"insert into comments (post_id, author_id, body) select 1 + i % 3, 1, 'comment ' || i from generate_series(1, 1750) i",
		"insert into likes (post_id, user_id) select id, 1 from posts where id <= 1000",
	} {
		if _, err := env.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	x := readExport(t, startExport(t, env, ana.AccessToken, password))
	for kind, want := range map[string]int{"post": 1203, "comment": 1750, "like": 1000} {
		seen := map[string]bool{}
		for _, l := range x[kind] {
			seen[fmt.Sprint(l["id"], l["post"], l["body"])] = true
		}
		if len(x[kind]) != want || len(seen) != want {
			t.Errorf("%d %s lines, %d different, want %d", len(x[kind]), kind, len(seen), want)
		}
	}
	if deleted := strings.Count(x.values("post", "deletedAt"), "Z"); deleted != 1203/7 {
		t.Errorf("%d posts are deleted, want %d", deleted, 1203/7)
	}
}

// One export at a time, also while its client takes all day; it holds no connection to the database meanwhile, and a client that
// leaves ends it.
func TestOneExportAtATime(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, a := env.Signup("ana")
	_, err := a.ExportMe(t.Context(), &client.ExportRequest{CurrentPassword: "wrong horse"})
	wantProblem(t, err, 403, "wrong_password")
	if _, err := env.Pool.Exec(t.Context(), "insert into posts (author_id, body) select 1, repeat('plums ', 300) from generate_series(1, 20000)"); err != nil {
		t.Fatal(err)
	}
	slow := startExport(t, env, ana.AccessToken, password)
	if _, err := bufio.NewReader(slow.Body).ReadBytes('\n'); err != nil {
		t.Fatal(err)
	}
	second := startExport(t, env, ana.AccessToken, password)
	body, _ := io.ReadAll(second.Body)
	if second.StatusCode != http.StatusTooManyRequests || !strings.Contains(string(body), "export_running") {
		t.Errorf("a second export: %d %.200s", second.StatusCode, body)
	}
	until(t, "the slow export waits for its client", func() bool { return env.Pool.Stat().AcquiredConns() == 0 })
	if err := slow.Body.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "the next export may begin", func() bool {
		res := startExport(t, env, ana.AccessToken, password)
		if res.StatusCode == http.StatusTooManyRequests {
			return false
		}
		readExport(t, res)
		return true
	})
}

// until waits for something that happens by itself.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: ", what)
		}
	}
}

// Of the market an export has the farms acted for, the cart and what was bought, and the notifications of orders, which name nobody.
func TestExportOfTheMarket(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	order := s.mustPlace(item(s.plums, 2), item(s.eggs, 1))
	s.advance(order.ID, "confirm")
	if _, err := s.buyer.SetCartItem(t.Context(), &client.SetCartItemRequest{Quantity: 3}, client.SetCartItemParams{ID: s.eggs.ID}); err != nil {
		t.Fatal(err)
	}
	bought, sold := readExport(t, startExport(t, s.Env, s.buys.AccessToken, password)), readExport(t, startExport(t, s.Env, s.sells.AccessToken, password))
	for _, got := range [][2]string{
		{bought.values("order", "id"), string(order.ID)},
		{bought.values("order", "total"), fmt.Sprint(order.Total)},
		{bought.values("cartItem", "quantity"), "3"},
		{bought.values("notification", "order") + bought.values("notification", "actor"), string(order.ID) + "<nil>"},
		{bought.values("farm", "id"), ""},
		{sold.values("farm", "role"), "owner"},
		{sold.values("order", "id"), ""},
	} {
		if got[0] != got[1] {
			t.Errorf("%q, want %q", got[0], got[1])
		}
	}
	if items := bought.values("order", "items"); strings.Count(items, "price:") != 2 || !strings.Contains(items, s.plums.Name) {
		t.Error(items)
	}
}
