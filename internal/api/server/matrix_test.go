package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

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
	revoked   role = "revoked" // whose session has ended
	banned    role = "banned"  // who was banned by somebody else's server
	moderator role = "moderator"
	admin     role = "admin"
)

func roles() []role {
	return []role{owner, other, anonymous, blocked, revoked, banned, moderator, admin}
}

// ended says that nothing of the role's session is good any more.
func (r role) ended() bool { return r == revoked || r == banned }

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
			got, body := m.try(op, r)
			if got != want {
				t.Errorf("%s as %s: %d, want %d: %s", op, r, got, want, body)
			}
			if code := `"code":"session_revoked"`; r.ended() && want == http.StatusUnauthorized && !strings.Contains(string(body), code) {
				t.Errorf("%s as %s: want %s: %s", op, r, code, body)
			}
		}
	}
	for cell := range matrixExceptions() {
		if !used[cell] {
			t.Errorf("exception %q matches no cell", cell)
		}
	}
}

// permitted is the rule: a token where the spec asks for one; one that is sent has to be good wherever the spec takes one;
// moderation is for moderators and admins; nothing of the owner's for somebody they block; all else succeeds.
func permitted(op apitest.Operation, r role) int {
	switch {
	case r.ended() && op.Auth != apitest.Public:
		return http.StatusUnauthorized
	case r == anonymous && op.Auth == apitest.Required:
		return http.StatusUnauthorized
	case moderates(op) && r != moderator && r != admin:
		return http.StatusForbidden
	case r == blocked && op.Target != "" && op.Auth != apitest.Public:
		return http.StatusNotFound
	}
	return op.Success
}

// moderates says whether an operation is for moderators.
func moderates(op apitest.Operation) bool { return strings.HasPrefix(op.Path, "/api/v1/moderation/") }

// matrixExceptions are the cells where the rule does not hold.
func matrixExceptions() map[string]int {
	out := map[string]int{
		// roles are given by admins only
		"setRole moderator": 403,
		// nobody reports themselves, or what they don't see
		"createReport owner": 409, "createReport blocked": 404,
		// nobody does these to themselves
		"followUser owner": 409, "unfollowUser owner": 409, "blockUser owner": 409, "unblockUser owner": 409,
		// a notification is its recipient's only
		"markSeen blocked": 404,
	}
	for _, r := range []role{other, moderator, admin} { // moderators have their own operations, and no others
		// what is somebody else's can be read and not changed
		out["editPost "+string(r)], out["deletePost "+string(r)], out["deleteComment "+string(r)] = 403, 403, 403
		// a session is its owner's only, and a notification its recipient's
		out["revokeSession "+string(r)], out["markSeen "+string(r)] = 404, 404
		// and so is a picture, but where it is shown
		out["getMedia "+string(r)], out["uploadMedia "+string(r)], out["deleteMedia "+string(r)] = 404, 404, 404
	}
	for _, r := range roles() {
		out["signup "+string(r)] = 202 // this server confirms addresses first
	}
	maps.Copy(out, marketExceptions())
	return out
}

// marketExceptions: a farm is public, so whoever is no member of it is refused and not told that it isn't there. No role of
// the community is a role on a farm.
func marketExceptions() map[string]int {
	out := map[string]int{}
	for _, r := range []role{other, blocked, moderator, admin} {
		for _, op := range []string{
			"updateFarm", "listFarmMembers", "setFarmMember", "removeFarmMember", "createProduct", "updateProduct", "archiveProduct",
			"setStock", "adjustStock", "setProductPictures", "listFarmOrders",
		} {
			out[op+" "+string(r)] = 403
		}
	}
	// What is sold is there for everybody, and a cart is one's own.
	out["setCartItem blocked"], out["removeCartItem blocked"] = 200, 204
	// An order is its buyer's and its farm's only.
	for _, r := range []role{other, moderator, admin} {
		for _, op := range []string{"getOrder", "cancelOrder", "confirmOrder", "readyOrder", "completeOrder"} {
			out[op+" "+string(r)] = 404
		}
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
	w := &world{t: t, env: apitest.New(t, apitest.Mailing(t, true)), tokens: map[string]string{}, ids: map[string]string{}, labels: map[string]string{}}
	for _, who := range []role{owner, other, blocked, revoked, banned, moderator, admin} {
		w.play([]string{string(who), "signup"})
	}
	w.promote(string(moderator), "moderator")
	w.promote(string(admin), "admin")
	w.play([]string{"bystander", "signup"})
	w.play([]string{string(owner), "block", string(blocked)})
	w.play([]string{string(other), "follow", string(owner)})
	w.label("note:owner's", w.newest(publicid.Note, "notifications"))
	m := &matrix{world: w}
	m.end()
	return m
}

// end ends the sessions of those who have none in the matrix. The ban comes from another process, as an operator's does.
func (m *matrix) end() {
	m.t.Helper()
	m.call(string(revoked), http.MethodPost, "/api/v1/auth/logout", "")
	if b := setBanned(m.t, m.env, string(banned), true); !b.Changed {
		m.t.Fatal("not banned")
	}
	eventuallyRefused(m.t, m.env, m.tokens[string(banned)])
}

// try makes what the operation needs, as the owner, and then does it in a role.
func (m *matrix) try(op apitest.Operation, r role) (int, []byte) {
	m.t.Helper()
	path := op.Path
	if op.Target != "" {
		path = strings.Replace(path, "{id}", m.make(op), 1)
	}
	if op.Member {
		path = strings.Replace(path, "{user}", m.ids["user:bystander"], 1)
	}
	if slices.Contains(op.Query, "q") {
		path += "?q=owner"
	}
	if endsSessions(op.ID) && r != anonymous && !r.ended() {
		defer m.login(string(r))
	}
	if op.ID == "deleteMe" && r != anonymous && !r.ended() {
		defer m.comeBack(string(r))
	}
	if op.ID == "resetPassword" {
		defer m.login(string(owner))
		defer m.env.Outbox.Next(m.t, "owner@example.org") // the notice
	}
	if op.ID == "restoreAccount" {
		m.play([]string{string(owner), "delete"})
		defer m.login(string(owner))
	}
	res, body := m.send(m.tokens[string(r)], op.Method, path, m.bodyOf(op, r))
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
		if moderates(op) { // the owner is needed for the next operation
			return m.victim()
		}
		return m.ids["user:owner"]
	case "report":
		m.call(string(other), http.MethodPost, "/api/v1/reports", `{"target":"`+post()+`","reason":"spam"}`)
		return m.newest(publicid.Report, "reports")
	case "post":
		return post()
	case "comment":
		return m.call(string(owner), http.MethodPost, "/api/v1/posts/"+post()+"/comments", `{"body":"Mine"}`)["id"].(string)
	case "sess":
		m.login(string(owner))
		return m.ids["sess:owner"]
	case "farm":
		id := m.farm()
		if op.ID == "removeFarmMember" {
			m.call(string(owner), http.MethodPut, "/api/v1/farms/"+id+"/members/"+m.ids["user:bystander"], `{"role":"member"}`)
		}
		return id
	case "prod":
		return m.product()
	case "media":
		return m.mediaOf(op)
	case "order":
		id := m.call(string(owner), http.MethodPost, "/api/v1/orders", m.order())["id"].(string)
		steps := map[string][]string{"readyOrder": {"confirm"}, "completeOrder": {"confirm", "ready"}}
		for _, s := range steps[op.ID] {
			m.call(string(owner), http.MethodPost, "/api/v1/orders/"+id+"/"+s, "")
		}
		return id
	}
	m.t.Fatalf("%s: nobody knows how to make a %s", op, op.Target)
	return ""
}

// victim signs somebody up and returns their id.
func (m *matrix) victim() string {
	m.handles++
	s, _ := m.join(fmt.Sprintf("victim_%d", m.handles))
	return s["user"].(map[string]any)["id"].(string)
}

const product = `{"name":"Plums","category":"fruit","price":250,"unit":"kg","available":20}`

// farm returns the owner's farm.
func (m *matrix) farm() string {
	if m.ids["farm:owner"] == "" {
		m.label("farm:owner", m.call(string(owner), http.MethodPost, "/api/v1/farms", `{"name":"Owner's farm"}`)["id"].(string))
	}
	return m.ids["farm:owner"]
}

func (m *matrix) product() string {
	return m.call(string(owner), http.MethodPost, "/api/v1/farms/"+m.farm()+"/products", product)["id"].(string)
}

// order is the body of an order from the owner's farm.
func (m *matrix) order() string {
	return `{"farm":"` + m.farm() + `","items":[{"product":"` + m.product() + `","quantity":1}]}`
}

// bodyWithCode makes what a code confirms, and reads the code.
func (m *matrix) bodyWithCode(schema string, r role) string {
	fresh := fmt.Sprintf("new_%d@example.org", m.handles)
	code := func(to string) string { return m.env.Outbox.Next(m.t, to).Code() }
	switch schema {
	case "VerifySignupRequest":
		m.call("", http.MethodPost, "/api/v1/auth/signup",
			fmt.Sprintf(`{"handle":"new_%d","email":%q,"password":"correct horse","displayName":"New"}`, m.handles, fresh))
		return fmt.Sprintf(`{"email":%q,"code":%q}`, fresh, code(fresh))
	case "ResetPasswordRequest":
		m.env.PassTime(m.t, time.Hour)
		m.call("", http.MethodPost, "/api/v1/auth/forgot", `{"email":"owner@example.org"}`)
		return fmt.Sprintf(`{"email":"owner@example.org","code":%q,"newPassword":"correct horse"}`, code("owner@example.org"))
	case "ForgotPasswordRequest":
		return fmt.Sprintf(`{"email":%q}`, fresh)
	case "ChangeEmailRequest":
		return fmt.Sprintf(`{"email":%q,"currentPassword":"correct horse"}`, fresh)
	}
	if r == anonymous || r.ended() {
		return `{"code":"7KQ2-M4XD-9RTB"}`
	}
	m.call(string(r), http.MethodPut, "/api/v1/me/email", fmt.Sprintf(`{"email":%q,"currentPassword":"correct horse"}`, fresh))
	return fmt.Sprintf(`{"code":%q}`, code(fresh))
}

func (m *matrix) bodyOf(op apitest.Operation, r role) string {
	m.handles++
	text, reason := `{"body":"Text"}`, `{"reason":"Text"}`
	bodies := map[string]string{
		"":                  "",
		"SignupRequest":     fmt.Sprintf(`{"handle":"new_%d","email":"new_%[1]d@example.org","password":"correct horse","displayName":"New"}`, m.handles),
		"LoginRequest":      `{"handle":"owner","password":"correct horse"}`,
		"CreatePostRequest": text, "EditPostRequest": text, "CreateCommentRequest": text,
		"UpdateMeRequest":           `{"bio":"Text"}`,
		"CreateFarmRequest":         fmt.Sprintf(`{"name":"Farm %d"}`, m.handles),
		"UpdateFarmRequest":         `{"description":"Text"}`,
		"SetFarmMemberRequest":      `{"role":"member"}`,
		"CreateProductRequest":      product,
		"UpdateProductRequest":      `{"price":1}`,
		"SetStockRequest":           `{"available":30,"expected":20}`,
		"AdjustStockRequest":        `{"change":1}`,
		"SetCartItemRequest":        `{"quantity":1}`,
		"CancelOrderRequest":        `{"reason":"Text"}`,
		"ChangePasswordRequest":     `{"currentPassword":"correct horse","newPassword":"correct horse"}`,
		"ExportRequest":             `{"currentPassword":"correct horse"}`,
		"DeleteMeRequest":           `{"currentPassword":"correct horse"}`,
		"RestoreRequest":            `{"handle":"owner","password":"correct horse"}`,
		"MarkSeenRequest":           `{"notification":"` + m.ids["note:owner's"] + `"}`,
		"CreateReportRequest":       `{"target":"` + m.ids["user:owner"] + `","reason":"spam","text":"Text"}`,
		"ResolveReportRequest":      `{"decision":"dismiss","reason":"Text"}`,
		"SetProductPicturesRequest": `{"media":[]}`,
		"CreateMediaRequest":        `{"contentType":"image/png","size":100,"purpose":"post"}`,
		apitest.Bytes:               tinyGIF,
		"SetRoleRequest":            `{"role":"moderator","reason":"Text"}`,
		"RemovePostRequest":         reason, "RemoveCommentRequest": reason, "BanUserRequest": reason, "UnbanUserRequest": reason,
	}
	switch op.Body {
	case "RefreshRequest":
		m.login(string(owner))
		bodies[op.Body] = `{"refreshToken":"` + m.ids["token:owner"] + `"}`
	case "VerifySignupRequest", "ForgotPasswordRequest", "ResetPasswordRequest", "ChangeEmailRequest", "ConfirmEmailRequest":
		bodies[op.Body] = m.bodyWithCode(op.Body, r)
	}
	if op.Body == "PlaceOrderRequest" {
		bodies[op.Body] = m.order()
	}
	body, ok := bodies[op.Body]
	if !ok {
		m.t.Errorf("%s: no body for %s", op, op.Body)
	}
	return body
}
