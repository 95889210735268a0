package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/publicid"
)

// role is a column of the authorisation matrix: who asks for something that the owner made.
type role string

const (
	owner     role = "owner"
	other     role = "other"
	anonymous role = "anonymous"
	blocked   role = "blocked" // by the owner
)

func roles() []role { return []role{owner, other, anonymous, blocked} }

// TestAuthorisation tries every operation of the spec as everybody. The expected status follows from the spec by a rule
// (permitted); where the rule does not hold, the exception stands in one table.
func TestAuthorisation(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	ops := apitest.Operations(t)
	slices.SortStableFunc(ops, func(a, b apitest.Operation) int { return rank(a) - rank(b) })
	used := map[string]bool{}
	for _, op := range ops {
		for _, r := range roles() {
			want := permitted(op, r)
			cell := op.ID + " " + string(r)
			if x, ok := matrixExceptions()[cell]; ok {
				want, used[cell] = x, true
			}
			if got, body := m.try(op, r); got != want {
				t.Errorf("%s as %s: %d, want %d: %s", op, r, got, want, body)
			}
		}
	}
	for cell := range matrixExceptions() {
		if !used[cell] {
			t.Errorf("exception %q matches no cell", cell)
		}
	}
}

// permitted is the rule: a token where the spec asks for one; nothing of the owner's for somebody they block; all else
// succeeds.
func permitted(op apitest.Operation, r role) int {
	switch {
	case r == anonymous && op.Auth == apitest.Required:
		return http.StatusUnauthorized
	case r == blocked && op.Target != "" && op.Auth != apitest.Public:
		return http.StatusNotFound
	}
	return op.Success
}

// matrixExceptions are the cells where the rule does not hold.
func matrixExceptions() map[string]int {
	out := map[string]int{
		// what is somebody else's can be read and not changed
		"editPost other": 403, "deletePost other": 403, "deleteComment other": 403,
		// nobody does these to themselves
		"followUser owner": 409, "unfollowUser owner": 409, "blockUser owner": 409, "unblockUser owner": 409,
		// a session is its owner's only
		"revokeSession other": 404,
		// a notification is its recipient's only
		"markSeen other": 404, "markSeen blocked": 404,
	}
	for _, r := range roles() {
		out["getProduct "+string(r)] = 404 // there are no products
	}
	return out
}

// matrix is a community of an owner and everybody else.
type matrix struct {
	*world
	handles int
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	w := &world{t: t, env: apitest.New(t), tokens: map[string]string{}, ids: map[string]string{}, labels: map[string]string{}}
	for _, who := range []role{owner, other, blocked} {
		w.play([]string{string(who), "signup"})
	}
	w.play([]string{string(owner), "block", string(blocked)})
	w.play([]string{string(other), "follow", string(owner)})
	var id int64
	if err := w.env.Pool.QueryRow(t.Context(), "select id from notifications").Scan(&id); err != nil {
		t.Fatal(err)
	}
	codec, err := publicid.New(apitest.IDKey())
	if err != nil {
		t.Fatal(err)
	}
	w.label("note:owner's", codec.Encode(publicid.Note, id))
	return &matrix{world: w}
}

// try makes what the operation needs, as the owner, and then does it in a role.
func (m *matrix) try(op apitest.Operation, r role) (int, []byte) {
	m.t.Helper()
	path := op.Path
	if op.Target != "" {
		path = strings.Replace(path, "{id}", m.make(op), 1)
	}
	if slices.Contains(op.Query, "q") {
		path += "?q=owner"
	}
	if endsSessions(op.ID) && r != anonymous {
		defer m.login(string(r))
	}
	if op.ID == "deleteMe" && r != anonymous {
		defer m.comeBack(string(r))
	}
	if op.ID == "restoreAccount" {
		m.play([]string{string(owner), "delete"})
		defer m.login(string(owner))
	}
	res, body := m.send(m.tokens[string(r)], op.Method, path, m.bodyOf(op))
	return res.StatusCode, body
}

// make returns the id of something new of the owner's.
func (m *matrix) make(op apitest.Operation) string {
	m.t.Helper()
	post := func() string {
		return m.call(string(owner), http.MethodPost, "/api/v1/posts", `{"body":"Mine"}`)["id"].(string)
	}
	switch op.Target {
	case "user":
		return m.ids["user:owner"]
	case "post":
		return post()
	case "comment":
		return m.call(string(owner), http.MethodPost, "/api/v1/posts/"+post()+"/comments", `{"body":"Mine"}`)["id"].(string)
	case "sess":
		m.login(string(owner))
		return m.ids["sess:owner"]
	case "prod":
		return apitest.Nobody(m.t, publicid.Product, 0)
	}
	m.t.Fatalf("%s: nobody knows how to make a %s", op, op.Target)
	return ""
}

func (m *matrix) bodyOf(op apitest.Operation) string {
	m.handles++
	text := `{"body":"Text"}`
	bodies := map[string]string{
		"":                  "",
		"SignupRequest":     fmt.Sprintf(`{"handle":"new_%d","password":"correct horse","displayName":"New"}`, m.handles),
		"LoginRequest":      `{"handle":"owner","password":"correct horse"}`,
		"CreatePostRequest": text, "EditPostRequest": text, "CreateCommentRequest": text,
		"UpdateMeRequest":       `{"bio":"Text"}`,
		"ChangePasswordRequest": `{"currentPassword":"correct horse","newPassword":"correct horse"}`,
		"DeleteMeRequest":       `{"currentPassword":"correct horse"}`,
		"RestoreRequest":        `{"handle":"owner","password":"correct horse"}`,
		"MarkSeenRequest":       `{"notification":"` + m.ids["note:owner's"] + `"}`,
	}
	if op.Body == "RefreshRequest" {
		m.login(string(owner))
		bodies[op.Body] = `{"refreshToken":"` + m.ids["token:owner"] + `"}`
	}
	body, ok := bodies[op.Body]
	if !ok {
		m.t.Errorf("%s: no body for %s", op, op.Body)
	}
	return body
}
