package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
)

// postKeyed sends a POST with a key and returns its status, its body and whether it is an earlier answer.
func postKeyed(t *testing.T, env *apitest.Env, token, key, path, body string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, env.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "bearer "+token)
	}
	req.Header.Set("Idempotency-Key", key)
	res, text := do(t, env, req)
	return res.StatusCode, text, res.Header.Get("Idempotent-Replayed")
}

func rows(t *testing.T, env *apitest.Env, table string) int {
	t.Helper()
	var n int
	if err := env.Pool.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const posts = "/api/v1/posts"

// Asked again, a success is answered again, byte for byte, and done once; everything that is not the same request is refused.
func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	ben, _ := env.Signup("ben")
	const plums, pears = `{"body":"plums"}`, `{"body":"pears"}`
	code, first, replayed := postKeyed(t, env, ana.AccessToken, "k", posts, plums)
	if code != 201 || replayed != "false" {
		t.Fatalf("%d %s, replayed %s", code, first, replayed)
	}
	if code, again, replayed := postKeyed(t, env, ana.AccessToken, "k", posts, plums); code != 201 || again != first || replayed != "true" {
		t.Errorf("%d %s, replayed %s; want %s", code, again, replayed, first)
	}
	var post struct{ Data struct{ ID string } }
	if err := json.Unmarshal([]byte(first), &post); err != nil {
		t.Fatal(err)
	}
	comments := posts + "/" + post.Data.ID + "/comments"
	for path, body := range map[string]string{posts: pears, posts + "?x=1": plums, comments: plums} {
		if code, text, _ := postKeyed(t, env, ana.AccessToken, "k", path, body); code != 422 || !strings.Contains(text, `"idempotency_key_reused"`) {
			t.Errorf("POST %s %s: %d %s", path, body, code, text)
		}
	}
	if code, _, replayed := postKeyed(t, env, ben.AccessToken, "k", posts, plums); code != 201 || replayed != "false" {
		t.Errorf("the key of somebody else's: %d, replayed %s", code, replayed)
	}
	// An error leaves the key free, for a better request too.
	for _, bad := range []struct {
		path, body string
		status     int
	}{{posts, `{"body":" "}`, 400}, {posts, `{"body":`, 400}, {"/api/v1/posts/post_zzzzzzzzzzz/comments", plums, 404}} {
		if code, text, replayed := postKeyed(t, env, ana.AccessToken, "free", bad.path, bad.body); code != bad.status || replayed != "" {
			t.Errorf("%d %s, replayed %q; want %d", code, text, replayed, bad.status)
		}
	}
	if code, _, replayed := postKeyed(t, env, ana.AccessToken, "free", posts, pears); code != 201 || replayed != "false" {
		t.Errorf("after errors: %d, replayed %s", code, replayed)
	}
	for _, key := range []string{"a b", "\u00e4", strings.Repeat("k", 256)} {
		if code, text, _ := postKeyed(t, env, ana.AccessToken, key, posts, plums); code != 400 || !strings.Contains(text, `"bad_idempotency_key"`) {
			t.Errorf("key %q: %d %s", key, code, text)
		}
	}
	for _, token := range []string{"", "junk"} {
		if code, text, _ := postKeyed(t, env, token, "k", posts, plums); code != 401 {
			t.Errorf("token %q: %d %s", token, code, text)
		}
	}
	if n, k := rows(t, env, "posts"), rows(t, env, "idempotency_keys"); n != 3 || k != 3 {
		t.Errorf("%d posts and %d keys, want 3 and 3", n, k)
	}
	if text := metrics(t, env); !strings.Contains(text, `idempotency_replays_total{kind="answer"} 1`) {
		t.Error("the replay is not counted")
	}
}

// Of many requests with one key at once, on two servers, one is done and all are answered with it.
func TestOneKeyAtOnce(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	other := apitest.On(t, env.Pool.Config().ConnString())
	ana, _ := env.Signup("ana")
	var wg sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		wg.Go(func() {
			e := env
			if i%2 == 1 {
				e = other
			}
			code, body, _ := postKeyed(t, e, ana.AccessToken, "k", posts, `{"body":"plums"}`)
			answers[i] = fmt.Sprint(code, body)
		})
	}
	wg.Wait()
	slices.Sort(answers)
	if different := slices.Compact(slices.Clone(answers)); len(different) != 1 || !strings.HasPrefix(different[0], "201") || rows(t, env, "posts") != 1 {
		t.Errorf("%d posts; answers %v", rows(t, env, "posts"), different)
	}
}

// While the first request is under way, the second waits and is told so; a client that leaves interrupts nothing.
func TestKeyUnderWay(t *testing.T) {
	t.Parallel()
	b, s := newBank(t)
	id := s.mustPlace(item(s.plums, 1)).ID
	s.advance(id, "confirm", "ready")
	b.entered, b.leave = make(chan struct{}), make(chan struct{})
	path := "/api/v1/orders/" + string(id) + "/complete"
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+s.sells.AccessToken)
		req.Header.Set("Idempotency-Key", "k")
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			t.Errorf("who left was answered %d", res.StatusCode)
		}
	}()
	<-b.entered
	leave()
	<-gone
	if code, text, _ := postKeyed(t, s.Env, s.sells.AccessToken, "k", path, ""); code != 409 || !strings.Contains(text, `"idempotency_in_progress"`) {
		t.Errorf("the second: %d %s", code, text)
	}
	again := make(chan string)
	go func() {
		code, text, replayed := postKeyed(t, s.Env, s.sells.AccessToken, "k", path, "")
		again <- fmt.Sprint(code, " ", replayed, " ", strings.Contains(text, `"status":"completed"`))
	}()
	close(b.leave)
	if got := <-again; got != "200 true true" {
		t.Errorf("the third: %s", got)
	}
	if len(b.asked) != 2 {
		t.Errorf("the bank was asked %v", b.asked)
	}
}

// Where nobody knows what came of a request, its key says so and never runs again; after a day it is free.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	b, s := newBank(t)
	ask := func(key string) (int, string, string) {
		t.Helper()
		return postKeyed(t, s.Env, s.buys.AccessToken, key, posts, `{"body":"plums"}`)
	}
	set := func(sql string) {
		t.Helper()
		if _, err := s.Pool.Exec(t.Context(), "update idempotency_keys set "+sql); err != nil {
			t.Fatal(err)
		}
	}
	wantUnknown := func(key string) {
		t.Helper()
		if code, text, _ := ask(key); code != 409 || !strings.Contains(text, `"idempotency_unknown"`) {
			t.Errorf("key %s: %d %s", key, code, text)
		}
	}
	ask("died") // and now as a server leaves it that dies at work
	set("state = 'running', status = null, content_type = null, body = null, created_at = now() - interval '31 seconds'")
	wantUnknown("died")
	set("created_at = now()")
	if code, text, _ := ask("died"); code != 409 || !strings.Contains(text, `"idempotency_in_progress"`) {
		t.Errorf("%d %s", code, text)
	}
	set("created_at = now() - interval '25 hours'")
	if code, _, replayed := ask("died"); code != 201 || replayed != "false" || rows(t, s.Env, "posts") != 2 {
		t.Errorf("a day later: %d, replayed %s", code, replayed)
	}
	unlock := lockTable(t, s.Env, "posts")
	if code, text, _ := ask("slow"); code != 504 {
		t.Errorf("%d %s", code, text)
	}
	unlock()
	wantUnknown("slow")
	id := s.mustPlace(item(s.plums, 1)).ID
	s.advance(id, "confirm", "ready")
	b.dies = true
	for _, want := range []string{"500 internal", "409 idempotency_unknown"} {
		code, text, _ := postKeyed(t, s.Env, s.sells.AccessToken, "panics", "/api/v1/orders/"+string(id)+"/complete", "")
		if status, word, _ := strings.Cut(want, " "); fmt.Sprint(code) != status || !strings.Contains(text, `"`+word+`"`) {
			t.Errorf("%d %s; want %s", code, text, want)
		}
	}
}

// Which operations take a key follows from the spec: every POST of an account's, but that of an order, which keeps its own.
// With a key that belongs to another request, those that take one are refused.
func TestWhatTakesAKey(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, c := env.Signup("ana")
	if _, err := c.CreatePost(t.Context(), &client.CreatePostRequest{Body: "no key, no row"}); err != nil || rows(t, env, "idempotency_keys") != 0 {
		t.Error(err)
	}
	postKeyed(t, env, ana.AccessToken, "k", posts, `{"body":"plums"}`)
	for _, op := range apitest.Operations(t) {
		if op.Method != http.MethodPost {
			continue
		}
		takes := op.Auth != apitest.Public && op.ID != "placeOrder" && op.ID != "exportMe"
		if takes && slices.Contains(op.Answers, "SessionResponse") {
			t.Errorf("%s answers with tokens, which would be kept", op)
		}
		path := strings.Replace(op.Path, "{id}", op.Target+"_zzzzzzzzzzz", 1)
		code, text, _ := postKeyed(t, env, ana.AccessToken, "k", path, `{}`)
		if refused := code == http.StatusUnprocessableEntity; refused != takes {
			t.Errorf("%s takes a key: %t, want %t: %d %s", op, refused, takes, code, text)
		}
	}
}
