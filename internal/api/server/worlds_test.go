package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/cache"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/purge"
)

// Somebody hidden answers like somebody who never existed. In one world Bea exists, has met everybody and then is blocked, or
// leaves; in the other she never was. Every operation of the spec answers Ana the same in both, byte for byte, but for ids, cursors,
// times and trace ids. Cases come from the spec: an operation that gets none fails.
func TestTwoWorlds(t *testing.T) {
	t.Parallel()
	for _, dir := range []direction{anaBlocksBea, beaBlocksAna, beaLeaves, beaIsPurged} {
		t.Run(string(dir), func(t *testing.T) {
			t.Parallel()
			with, without := newWorlds(t, dir)
			exempt := exemptions(dir)
			for _, c := range worldCases(t) {
				if exempt[c.name] != "" {
					continue
				}
				if a, b := with.do(c), without.do(c); a != b {
					t.Errorf("%s tells that Bea exists.\nshe does:\n%s\nshe never did:\n%s", c.name, a, b)
				}
			}
			checkExemptions(t, with, without, exempt)
		})
	}
}

// checkExemptions runs the exempt cases: last, because they end the concealment. One that answers the same in both worlds
// needs no exemption.
func checkExemptions(t *testing.T, with, without *world, exempt map[string]string) {
	t.Helper()
	for _, c := range worldCases(t) {
		reason := exempt[c.name]
		if reason == "" || c.again {
			continue
		}
		delete(exempt, c.name)
		if a, b := with.do(c), without.do(c); a == b {
			t.Errorf("%s is exempt (%s) and answers the same in both worlds", c.name, reason)
		}
	}
	for name := range exempt {
		t.Errorf("exemption %q matches no case", name)
	}
}

// The comparison has teeth: with the concealment cut out of any one function, it finds a difference. visible_likes is not
// among them: who reads likes joins visible_users, so it is guarded twice.
func TestTwoWorldsNotices(t *testing.T) {
	t.Parallel()
	for _, function := range []string{
		"visible_users", "visible_posts", "visible_comments", "visible_follows", "visible_notifications", "post_counts",
	} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			with, without := newWorlds(t, beaBlocksAna)
			with.reveal(function)
			exempt := exemptions(beaBlocksAna)
			for _, c := range worldCases(t) {
				if exempt[c.name] == "" && with.do(c) != without.do(c) {
					return
				}
			}
			t.Errorf("%s conceals nobody any more and no operation shows it", function)
		})
	}
}

// reveal makes a function of the schema forget who is hidden.
func (w *world) reveal(function string) {
	w.t.Helper()
	var def string
	err := w.env.Pool.QueryRow(w.t.Context(), "select pg_get_functiondef($1::regproc)", function).Scan(&def)
	if err != nil {
		w.t.Fatal(err)
	}
	open := strings.ReplaceAll(def, "h.viewer_id = viewer", "h.viewer_id = -1")
	if open == def {
		w.t.Fatalf("%s conceals nobody: %s", function, def)
	}
	if _, err := w.env.Pool.Exec(w.t.Context(), open); err != nil {
		w.t.Fatal(err)
	}
}

func newWorlds(t *testing.T, dir direction) (with, without *world) {
	t.Helper()
	with, without = newWorld(t, true), newWorld(t, false)
	with.part(dir)
	return with, without
}

type direction string

const (
	anaBlocksBea direction = "Ana blocks Bea"
	beaBlocksAna direction = "Bea blocks Ana"
	beaLeaves    direction = "Bea deletes her account"
	beaIsPurged  direction = "Bea's account is purged"
)

// exemptions are the cases that name Bea by construction, each with its reason.
func exemptions(d direction) map[string]string {
	if d == beaIsPurged {
		return map[string]string{} // her handle is free too
	}
	out := map[string]string{"signup with Bea's handle": "a handle is unique among everybody"}
	if d == anaBlocksBea {
		out["listBlocks"] = "the list of whom you block names them"
		out["listBlocks page by page"] = "the list of whom you block names them"
		out["blockUser user:bea"] = "blocking again whom you block is idempotent"
		out["unblockUser user:bea"] = "you can take your own block back"
		out["exportMe"] = "whom you block stands in it"
	}
	return out
}

// worldCase is one request of Ana's. Its path and body name things by label: {post:a1}.
type worldCase struct {
	name, method, path, body string
	pages                    bool // follow meta.nextCursor to the end
	again                    bool // the second time, after everything was changed
}

// targets are the things that operations with an {id} are tried on, by kind: Ana's, those of others, Bea's, and those of
// others beside Bea's.
func targets() map[string][]string {
	return map[string][]string{
		"user":    {"user:ana", "user:bea", "user:carl", "user:dora"},
		"post":    {"post:a1", "post:b1", "post:c1", "post:d1"},
		"comment": {"comment:bea@a1", "comment:carl@a1", "comment:ana@b1", "comment:carl@b1", "comment:ana@c1", "comment:bea@c1"},
		"report":  {"report:carl", "report:bea"},
		"farm":    {"farm:ana", "farm:carl", "farm:none"},
		"prod":    {"prod:plums@ana", "prod:honey@carl", "prod:none"},
		"order":   {"order:ana@carl", "order:carl@ana", "order:none"},
		"sess":    {"sess:ana", "sess:bea", "sess:carl"},
		"media":   {"media:ana", "media:bea", "media:carl"},
	}
}

// bodies are what operations with a body are sent, by schema: what differs is in the case's name.
func bodies() map[string]map[string]string {
	const text, no = `{"body":"Plums again."}`, `{"reason":"No."}`
	const rest = `"password":"correct horse","displayName":"Eve"}`
	out := map[string]map[string]string{
		"SignupRequest": {
			"":                   `{"handle":"eve","email":"eve@example.org",` + rest,
			"with a taken name":  `{"handle":"carl","email":"eva@example.org",` + rest,
			"with Bea's handle":  `{"handle":"bea","email":"eva@example.org",` + rest,
			"with Bea's address": `{"handle":"eva","email":"Bea@example.org",` + rest,
			"with a bad handle ": `{"handle":"b e a","email":"eva@example.org",` + rest,
			"with a bad address": `{"handle":"eva","email":"eva at example.org",` + rest,
			"without an address": `{"handle":"eva",` + rest,
		},
		"VerifySignupRequest": {
			"":                 `{"email":"eve@example.org","code":"{code:eve@example.org}"}`,
			"of Bea":           `{"email":"bea@example.org","code":"7KQ2-M4XD-9RTB"}`,
			"with a used code": `{"email":"ana@example.org","code":"{used:ana}"}`,
		},
		"ForgotPasswordRequest": {
			"":          `{"email":"ana@example.org"}`,
			"of Bea":    `{"email":"bea@example.org"}`,
			"of nobody": `{"email":"zoe@example.org"}`,
		},
		"ResetPasswordRequest": {
			"":       `{"email":"ana@example.org","code":"{code:ana@example.org}","newPassword":"correct horse"}`,
			"of Bea": `{"email":"bea@example.org","code":"7KQ2-M4XD-9RTB","newPassword":"correct horse"}`,
		},
		"ChangeEmailRequest": {
			"":                       `{"email":"annie@example.org","currentPassword":"correct horse"}`,
			"to Bea's":               `{"email":"bea@example.org","currentPassword":"correct horse"}`,
			"with the wrong current": `{"email":"annie@example.org","currentPassword":"wrong horse"}`,
		},
		"ConfirmEmailRequest": {
			"":          `{"code":"{code:annie@example.org}"}`,
			"with junk": `{"code":"junk"}`,
		},
		"LoginRequest": {
			"":       `{"handle":"ana","password":"correct horse"}`,
			"as Bea": `{"handle":"bea","password":"wrong horse"}`,
		},
		"CreatePostRequest": {
			"":                    text,
			"with Bea's picture":  `{"body":"Plums again.","media":["{media:bea}"]}`,
			"with Carl's picture": `{"body":"Plums again.","media":["{media:carl}"]}`,
		},
		"EditPostRequest": {"": text}, "CreateCommentRequest": {"": text},
		"UpdateMeRequest": {
			"":                    `{"bio":"Grows plums."}`,
			"with Bea's picture":  `{"avatar":"{media:bea}"}`,
			"with Carl's picture": `{"avatar":"{media:carl}"}`,
		},
		"RefreshRequest": {"": `{"refreshToken":"{token:ana}"}`, "with junk": `{"refreshToken":"junk"}`},
		"ChangePasswordRequest": {
			"":                       `{"currentPassword":"correct horse","newPassword":"correct horse"}`,
			"with the wrong current": `{"currentPassword":"wrong horse","newPassword":"correct horse"}`,
		},
		"DeleteMeRequest": {
			"":                       `{"currentPassword":"correct horse"}`,
			"with the wrong current": `{"currentPassword":"wrong horse"}`,
		},
		"ExportRequest": {
			"":                       `{"currentPassword":"correct horse"}`,
			"with the wrong current": `{"currentPassword":"wrong horse"}`,
		},
		"RestoreRequest": {
			"":       `{"handle":"ana","password":"correct horse"}`,
			"as Bea": `{"handle":"bea","password":"wrong horse"}`,
		},
		"MarkSeenRequest": {
			"bea's":  `{"notification":"{note:bea like}"}`,
			"carl's": `{"notification":"{note:carl follow}"}`,
		},
		"CreateMediaRequest": {
			"":             `{"contentType":"image/png","size":100,"purpose":"post"}`,
			"of a drawing": `{"contentType":"image/svg+xml","size":100,"purpose":"post"}`,
		},
		apitest.Bytes:          {"": tinyGIF, "of another": tinyGIF + "!"},
		"CreateReportRequest":  reports(),
		"ResolveReportRequest": {"": `{"decision":"ban","reason":"No."}`},
		"SetRoleRequest":       {"": `{"role":"admin","reason":"No."}`},
		"RemovePostRequest":    {"": no}, "RemoveCommentRequest": {"": no}, "BanUserRequest": {"": no}, "UnbanUserRequest": {"": no},
	}
	maps.Copy(out, marketBodies())
	return out
}

func marketBodies() map[string]map[string]string {
	return map[string]map[string]string{
		"CreateFarmRequest": {
			"":                  `{"name":"Elm Gate","currency":"CHF"}`,
			"with a taken name": `{"name":"FARM OF CARL"}`,
		},
		"UpdateFarmRequest":    {"": `{"description":"By the river."}`},
		"SetFarmMemberRequest": {"": `{"role":"member"}`, "as owner": `{"role":"owner"}`},
		"CreateProductRequest": {"": `{"name":"Pears","category":"fruit","price":360,"unit":"kg","available":4}`},
		"UpdateProductRequest": {"": `{"price":410}`},
		"SetProductPicturesRequest": {
			"": `{"media":[]}`, "with Bea's picture": `{"media":["{media:bea}"]}`, "with Carl's picture": `{"media":["{media:carl}"]}`,
		},
		"SetStockRequest":    {"": `{"available":30,"expected":20}`, "over a sale": `{"available":30,"expected":1}`},
		"SetCartItemRequest": {"": `{"quantity":3}`},
		"PlaceOrderRequest": {
			"":             `{"farm":"{farm:carl}","items":[{"product":"{prod:honey@carl}","quantity":1}]}`,
			"of the cart":  `{"farm":"{farm:carl}"}`,
			"of too much":  `{"farm":"{farm:carl}","items":[{"product":"{prod:honey@carl}","quantity":999}]}`,
			"from nowhere": `{"farm":"{farm:none}","items":[{"product":"{prod:none}","quantity":1}]}`,
		},
		"CancelOrderRequest": {"": `{"reason":"Changed my mind."}`},
		"AdjustStockRequest": {"": `{"change":5}`, "below nothing": `{"change":-1000}`},
	}
}

// reports are of everything, twice: the second one finds the first open.
func reports() map[string]string {
	out := map[string]string{}
	for _, kind := range []string{"user", "post", "comment"} {
		for _, label := range targets()[kind] {
			for _, again := range []string{"", " again"} {
				out["of "+label+again] = `{"target":"{` + label + `}","reason":"spam","text":"Look` + again + `."}`
			}
		}
	}
	return out
}

// queries are what searches look for.
func queries() []string { return []string{"bea", "be", "market", "carl", "b", "plum"} }

// worldCases returns the reads, then the changes, those that hide or delete last, then the reads again.
func worldCases(t *testing.T) []worldCase {
	t.Helper()
	ops := apitest.Operations(t)
	slices.SortStableFunc(ops, func(a, b apitest.Operation) int { return cmp.Compare(rank(a), rank(b)) })
	var out []worldCase
	for _, op := range ops {
		cases := casesOf(t, op)
		if len(cases) == 0 {
			t.Errorf("%s has no case: give its kind of id a target, or its body's schema a body", op)
		}
		out = append(out, cases...)
	}
	for _, op := range ops {
		if op.Reads() {
			for _, c := range casesOf(t, op) {
				c.again = true
				out = append(out, c)
			}
		}
	}
	return out
}

// rank orders operations so that each finds something to work on.
func rank(op apitest.Operation) int {
	last := map[string]int{"confirmEmail": 9, "blockUser": 10, "unblockUser": 11, "logout": 12, "logoutEverywhere": 13, "deleteMe": 14}
	if n := last[op.ID]; n > 0 {
		return n
	}
	return slices.Index([]string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete}, op.Method)
}

func casesOf(t *testing.T, op apitest.Operation) []worldCase {
	t.Helper()
	base := []worldCase{{name: op.ID, method: op.Method, path: op.Path}}
	if op.Target != "" {
		base = vary(base, targets()[op.Target], func(c worldCase, label string) worldCase {
			return worldCase{name: c.name + " " + label, method: c.method, path: strings.Replace(c.path, "{id}", "{"+label+"}", 1)}
		})
	}
	if op.Member {
		base = vary(base, targets()["user"], func(c worldCase, label string) worldCase {
			c.name, c.path = c.name+" "+label, strings.Replace(c.path, "{user}", "{"+label+"}", 1)
			return c
		})
	}
	if slices.Contains(op.Query, "q") {
		plain := base
		if slices.Contains(op.Needs, "q") {
			plain = nil
		}
		base = append(plain[:len(plain):len(plain)], vary(base, queries(), func(c worldCase, q string) worldCase {
			c.name, c.path = c.name+" "+q, c.path+"?q="+q
			return c
		})...)
	}
	if op.Body != "" {
		base = vary(base, slices.Sorted(maps.Keys(bodies()[op.Body])), func(c worldCase, name string) worldCase {
			c.name, c.body = strings.TrimSpace(c.name+" "+name), bodies()[op.Body][name]
			return c
		})
	}
	if slices.Contains(op.Query, "cursor") {
		base = append(base, vary(base, []string{"page by page"}, func(c worldCase, how string) worldCase {
			c.name, c.pages = c.name+" "+how, true
			return c
		})...)
	}
	return base
}

func vary(cases []worldCase, values []string, with func(worldCase, string) worldCase) []worldCase {
	var out []worldCase
	for _, c := range cases {
		for _, v := range values {
			out = append(out, with(c, v))
		}
	}
	return out
}

// world is one running API with a community in it. ids are its things by label; labels is the same the other way round.
type world struct {
	t      *testing.T
	env    *apitest.Env
	tokens map[string]string
	ids    map[string]string
	labels map[string]string
	orders int            // that were asked for, each with its key
	fresh  map[string]int // things without a label, by kind, in the order of their appearance
}

// newWorld makes a community of four, or of three without Bea. The others do the same in both.
func newWorld(t *testing.T, bea bool) *world {
	t.Helper()
	// Exact totals, because the two worlds would forget theirs at different moments.
	env := apitest.New(t, apitest.Mailing(t, true), exactTotals)
	w := &world{t: t, env: env, tokens: map[string]string{}, ids: map[string]string{}, labels: map[string]string{}, fresh: map[string]int{}}
	for _, line := range strings.Split(strings.TrimSpace(history), "\n") {
		step := strings.Fields(line)
		if bea || !strings.Contains(line, "bea") && !strings.Contains(line, "b1") && !strings.Contains(line, "b2") {
			w.play(step)
		}
	}
	w.labelNotifications()
	w.labelGhosts()
	return w
}

// history is what happened before the block, one step a line: who does what to whom.
const history = `
ana signup
bea signup
carl signup
dora signup
ana avatar
bea avatar
carl avatar
ana post a1
bea post b1
carl post c1
bea post b2 pictured
carl post c2 pictured
dora post d1
ana follow carl
ana follow bea
bea follow ana
bea follow carl
carl follow ana
carl follow bea
dora follow bea
dora follow carl
carl comment a1
bea comment a1
bea comment c1
ana comment c1
ana comment b1
carl comment b1
dora comment c1
carl like a1
bea like a1
bea like c1
ana like c1
ana like b1
bea like d1
dora like c1
carl report d1
bea report d1
ana farm
carl farm
ana offer plums
carl offer honey
ana order carl honey
carl order ana plums
`

func (w *world) play(step []string) {
	who, what := step[0], step[1]
	switch what {
	case "signup":
		s, code := w.join(who)
		w.keep(who, s)
		w.label("user:"+who, s["user"].(map[string]any)["id"].(string))
		w.label("used:"+who, code)
	case "post":
		w.label("post:"+step[2], w.call(who, http.MethodPost, "/api/v1/posts", w.postBody(who, step[2], len(step) > 3))["id"].(string))
	case "avatar":
		w.avatar(who)
	case "comment":
		c := w.call(who, http.MethodPost, "/api/v1/posts/"+w.ids["post:"+step[2]]+"/comments", `{"body":"By `+who+`"}`)
		w.label("comment:"+who+"@"+step[2], c["id"].(string))
	case "like":
		w.call(who, http.MethodPut, "/api/v1/posts/"+w.ids["post:"+step[2]]+"/like", "")
	case "report":
		w.call(who, http.MethodPost, "/api/v1/reports", `{"target":"`+w.ids["post:"+step[2]]+`","reason":"spam"}`)
		w.label("report:"+who, w.newest(publicid.Report, "reports"))
	case "farm":
		w.label("farm:"+who, w.call(who, http.MethodPost, "/api/v1/farms", `{"name":"Farm of `+who+`"}`)["id"].(string))
	case "offer":
		p := w.call(who, http.MethodPost, "/api/v1/farms/"+w.ids["farm:"+who]+"/products",
			`{"name":"`+step[2]+`","category":"fruit","price":250,"unit":"kg","available":20}`)
		w.label("prod:"+step[2]+"@"+who, p["id"].(string))
	case "order":
		o := w.call(who, http.MethodPost, "/api/v1/orders", `{"farm":"`+w.ids["farm:"+step[2]]+`","items":[{"product":"`+
			w.ids["prod:"+step[3]+"@"+step[2]]+`","quantity":2}]}`)
		w.label("order:"+who+"@"+step[2], o["id"].(string))
	case "follow", "block":
		w.call(who, http.MethodPut, "/api/v1/users/"+w.ids["user:"+step[2]]+"/"+what, "")
	case "delete":
		w.call(who, http.MethodPost, "/api/v1/me/delete", `{"currentPassword":"correct horse"}`)
	default:
		w.t.Fatalf("nobody knows how to %s", what)
	}
}

// join signs somebody up and confirms their address with the code that was mailed.
func (w *world) join(who string) (session map[string]any, code string) {
	w.t.Helper()
	email := who + "@example.org"
	w.call("", http.MethodPost, "/api/v1/auth/signup",
		fmt.Sprintf(`{"handle":%q,"email":%q,"password":"correct horse","displayName":%q}`, who, email, who+" of the Market"))
	code = w.env.Outbox.Next(w.t, email).Code()
	return w.call("", http.MethodPost, "/api/v1/auth/verify", fmt.Sprintf(`{"email":%q,"code":%q}`, email, code)), code
}

// promote gives somebody a role, as an operator does.
func (w *world) promote(who, to string) {
	w.t.Helper()
	if _, err := w.env.Pool.Exec(w.t.Context(), "update users set role = $2 where handle = $1", who, to); err != nil {
		w.t.Fatal(err)
	}
}

// newest returns the public id of the row of a table that came last.
func (w *world) newest(k publicid.Kind, table string) string {
	w.t.Helper()
	codec := apitest.Codec(w.t)
	var id int64
	if err := w.env.Pool.QueryRow(w.t.Context(), "select max(id) from "+table).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return codec.Encode(k, id)
}

// keep remembers the tokens of a session, and labels it.
func (w *world) keep(who string, s map[string]any) {
	w.t.Helper()
	w.tokens[who] = s["accessToken"].(string)
	w.label("token:"+who, s["refreshToken"].(string))
	_, body := w.send(w.tokens[who], http.MethodGet, "/api/v1/me/sessions?limit=1", "")
	var list struct{ Data []struct{ ID string } }
	if err := json.Unmarshal(body, &list); err != nil || len(list.Data) != 1 {
		w.t.Fatalf("sessions of %s: %s", who, body)
	}
	w.label("sess:"+who, list.Data[0].ID)
}

// login gives somebody a new session, after an operation that may have ended the one they had.
func (w *world) login(who string) {
	w.t.Helper()
	w.keep(who, w.call("", http.MethodPost, "/api/v1/auth/login", fmt.Sprintf(`{"handle":%q,"password":"correct horse"}`, who)))
}

// purge purges everybody who is deleted, as the job does when their time is over.
func (w *world) purge() {
	w.t.Helper()
	if _, err := w.env.Pool.Exec(w.t.Context(), "update users set purge_at = now() where deleted_at is not null"); err != nil {
		w.t.Fatal(err)
	}
	p := purge.New(purge.Options{DB: w.env.Pool, Log: slog.New(slog.DiscardHandler)})
	if err := p.Due(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// comeBack restores the account of somebody who may have deleted it.
func (w *world) comeBack(who string) {
	w.t.Helper()
	res, body := w.send("", http.MethodPost, "/api/v1/auth/restore", fmt.Sprintf(`{"handle":%q,"password":"correct horse"}`, who))
	var answer struct{ Data map[string]any }
	switch {
	case res.StatusCode == http.StatusConflict: // not deleted
	case res.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil:
		w.t.Fatalf("%s does not come back: %d %s", who, res.StatusCode, body)
	default:
		w.keep(who, answer.Data)
	}
}

// endsSessions says whether an operation, or a case of it, may end the session it is done in.
func endsSessions(name string) bool {
	op, _, _ := strings.Cut(name, " ")
	return slices.Contains([]string{"logout", "logoutEverywhere", "revokeSession", "resetPassword"}, op)
}

func (w *world) part(d direction) {
	switch d {
	case anaBlocksBea:
		w.play([]string{"ana", "block", "bea"})
	case beaBlocksAna:
		w.play([]string{"bea", "block", "ana"})
	case beaLeaves:
		w.play([]string{"bea", "delete"})
	case beaIsPurged:
		w.play([]string{"bea", "delete"})
		w.purge()
	}
}

func (w *world) label(label, id string) { w.ids[label], w.labels[id] = id, label }

// labelNotifications labels what Ana was notified of: note:carl like.
func (w *world) labelNotifications() {
	codec := apitest.Codec(w.t)
	rows, err := w.env.Pool.Query(w.t.Context(), `select n.id, a.handle || ' ' || n.kind from notifications n
		join users a on a.id = n.actor_id join users r on r.id = n.recipient_id where r.handle = 'ana'`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var what string
		if err := rows.Scan(&id, &what); err != nil {
			w.t.Fatal(err)
		}
		w.label("note:"+what, codec.Encode(publicid.Note, id))
	}
}

// labelGhosts gives what never existed in this world an id behind which there is nothing.
func (w *world) labelGhosts() {
	all := []string{"note:bea like", "note:bea follow", "note:bea comment"}
	for _, labels := range targets() {
		all = append(all, labels...)
	}
	for i, label := range all {
		if w.ids[label] == "" {
			kind, _, _ := strings.Cut(label, ":")
			w.label(label, apitest.Nobody(w.t, publicid.Kind(kind), i))
		}
	}
}

// call makes a step of the history and returns the data of its answer.
func (w *world) call(who, method, path, body string) map[string]any {
	w.t.Helper()
	res, data := w.send(w.tokens[who], method, path, body)
	var answer struct{ Data map[string]any }
	if err := json.Unmarshal(data, &answer); err != nil || res.StatusCode >= 300 {
		w.t.Fatalf("%s: %s %s: %d %s", who, method, path, res.StatusCode, data)
	}
	return answer.Data
}

func (w *world) send(token, method, path, body string) (*http.Response, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.env.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	switch {
	case strings.HasPrefix(body, "{"):
		req.Header.Set("Content-Type", "application/json")
	case body != "":
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if path == "/api/v1/orders" && method == http.MethodPost {
		w.orders++
		req.Header.Set("Idempotency-Key", fmt.Sprintf("order-%d", w.orders))
	}
	res, err := w.env.HTTP.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, data
}

var labelled = regexp.MustCompile(`\{([a-z]+:[^}]+)\}`)

// fill replaces {post:a1} by its id, and {code:ana@example.org} by the code in the next letter to that address.
func (w *world) fill(s string) string {
	return labelled.ReplaceAllStringFunc(s, func(m string) string {
		if address, ok := strings.CutPrefix(m[:len(m)-1], "{code:"); ok {
			return w.env.Outbox.Next(w.t, address).Code()
		}
		id := w.ids[m[1:len(m)-1]]
		if id == "" {
			w.t.Fatalf("no %s in this world", m)
		}
		return id
	})
}

// do sends Ana's request and returns the canonical text of everything that came back.
func (w *world) do(c worldCase) string {
	w.t.Helper()
	switch {
	case endsSessions(c.name):
		defer w.login("ana")
	case strings.HasPrefix(c.name, "deleteMe"):
		defer w.comeBack("ana")
	}
	var out strings.Builder
	path := w.fill(c.path)
	if c.pages {
		path = withQuery(path, "limit", "1")
	}
	for range 20 {
		res, body := w.send(w.tokens["ana"], c.method, path, w.fill(c.body))
		out.WriteString(w.canonical(res, body))
		var list struct{ Meta struct{ NextCursor string } }
		if !c.pages || json.Unmarshal(body, &list) != nil || list.Meta.NextCursor == "" {
			return out.String()
		}
		path = withQuery(path, "cursor", list.Meta.NextCursor)
	}
	w.t.Errorf("%s does not end", c.name)
	return out.String()
}

func withQuery(path, key, value string) string {
	u, err := url.Parse(path)
	if err != nil {
		return path
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

var (
	publicID = regexp.MustCompile(`\b([a-z]+)_[1-9A-HJ-NP-Za-km-z]{11}\b`)
	rfc3339  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z`)
	// What Ana wrote and liked below Bea's posts is Ana's own, and in an export.
	ownBelowBea = regexp.MustCompile(`(?m)^\{"type":"(like|comment)".*"<post:b\d>".*\n|"lines":\d+`)
	traceID     = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	tokens      = regexp.MustCompile(`"(access|refresh)Token":"[^"]+"`)
)

// canonical writes an answer so that two worlds can be compared: ids by label, times, traces and tokens without value.
func (w *world) canonical(res *http.Response, body []byte) string {
	var out strings.Builder
	fmt.Fprintln(&out, res.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		if name == "Etag" && res.Header.Get(name) == cache.ETag(body) { // it tells what the body tells
			fmt.Fprintln(&out, "Etag: of the body")
		} else if name != "Date" {
			fmt.Fprintf(&out, "%s: %s\n", name, strings.Join(res.Header[name], ", "))
		}
	}
	fmt.Fprintf(&out, "\n%s\n", body)
	s := pictureURL.ReplaceAllString(rfc3339.ReplaceAllString(out.String(), "<time>"), "<picture>")
	s = tokens.ReplaceAllString(traceID.ReplaceAllString(s, "<trace>"), `"${1}Token":"<token>"`)
	s = publicID.ReplaceAllStringFunc(s, func(id string) string {
		kind, _, _ := strings.Cut(id, "_")
		if kind == string(publicid.Cursor) {
			return "<cursor>"
		}
		if w.labels[id] == "" {
			w.fresh[kind]++
			w.label(fmt.Sprintf("%s:new %d", kind, w.fresh[kind]), id)
		}
		return "<" + w.labels[id] + ">"
	})
	return ownBelowBea.ReplaceAllString(s, "")
}
