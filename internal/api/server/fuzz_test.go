package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi"
	"github.com/platctl/platctl/internal/api/publicid"
)

// stranger sends whatever a fuzzer makes up to a real server, as somebody who may do everything. Each answer is validated against
// the spec; here it is checked that none says that the server is to blame.
type stranger struct {
	env    *apitest.Env
	people int
	token  string
	ids    map[string]string // something of each kind that exists
}

func newStranger(t testing.TB) *stranger {
	return &stranger{env: apitest.New(t), ids: map[string]string{}}
}

// be makes sure that somebody is logged in.
func (s *stranger) be(t testing.TB) {
	t.Helper()
	if s.token != "" {
		return
	}
	handle, token, _ := s.signUp(t)
	if _, err := s.env.Pool.Exec(t.Context(), "update users set role = 'admin' where handle = $1", handle); err != nil {
		t.Fatal(err)
	}
	s.token = token
}

// signUp makes a new person. The helpers of apitest belong to the test that made the server, which may not speak while it fuzzes.
func (s *stranger) signUp(t testing.TB) (handle, token, id string) {
	t.Helper()
	s.people++
	handle = fmt.Sprintf("person%d", s.people)
	code, body := s.send(t, http.MethodPost, "/api/v1/auth/signup", asJSON, fmt.Sprintf(`{"handle":%q,"displayName":"X","password":"correct horse"}`, handle))
	var answer struct {
		Data struct {
			AccessToken string
			User        struct{ ID string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || code != http.StatusCreated {
		t.Fatalf("signup: %d %s", code, body)
	}
	return handle, answer.Data.AccessToken, answer.Data.User.ID
}

// target returns the id of something of a kind, which is made where it can be.
func (s *stranger) target(t testing.TB, kind string) string {
	t.Helper()
	s.be(t)
	if id := s.ids[kind]; id != "" {
		return id
	}
	id := apitest.Nobody(t, publicid.Kind(kind), 1)
	switch kind {
	case "user":
		_, _, id = s.signUp(t)
	case "post":
		id = s.made(t, "/api/v1/posts", `{"body":"a text"}`)
	case "comment":
		id = s.made(t, "/api/v1/posts/"+s.target(t, "post")+"/comments", `{"body":"a text"}`)
	case "media":
		id = s.made(t, "/api/v1/media", fmt.Sprintf(`{"contentType":"image/gif","size":%d,"purpose":"post"}`, len(tinyGIF)))
	}
	s.ids[kind] = id
	return id
}

// made posts JSON and returns the id of what that made.
func (s *stranger) made(t testing.TB, path, what string) string {
	t.Helper()
	code, body := s.send(t, http.MethodPost, path, asJSON, what)
	var answer struct{ Data struct{ ID string } }
	if err := json.Unmarshal(body, &answer); err != nil || code != http.StatusCreated {
		t.Fatalf("POST %s: %d %s", path, code, body)
	}
	return answer.Data.ID
}

// try does an operation. Whom or what it ended is made anew before the next one.
func (s *stranger) try(t *testing.T, op apitest.Operation, path, contentType, body string) {
	s.be(t)
	code, answer := s.send(t, op.Method, path, contentType, body)
	if code >= http.StatusInternalServerError {
		t.Errorf("%s with %q answers %d: %s\n%s", path, body, code, answer, s.env.Log())
	}
	switch {
	case code == http.StatusUnauthorized, code < 300 && (endsSessions(op.ID) || op.ID == "deleteMe" || op.ID == "setRole"):
		s.token = ""
	case code == http.StatusNotFound, code == http.StatusConflict, code < 300 && op.Method == http.MethodDelete:
		clear(s.ids)
	}
}

const asJSON = "application/json"

func (s *stranger) send(t testing.TB, method, path, contentType, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.env.URL+path, strings.NewReader(body))
	if err != nil {
		t.Skip("no request: ", err)
	}
	if body != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	c := http.Client{Transport: apitest.Validate(t, http.DefaultTransport)}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, answer
}

// Whatever bytes an operation is sent as its body, the answer is in the spec and the fault is not ours. The table is tried with every
// operation as a test; a fuzzer, whose every try takes far longer, begins with one body for each.
func TestOddBodies(t *testing.T) {
	t.Parallel()
	s := newStranger(t)
	for _, op := range withBodies(t) {
		for _, body := range seedsOf(t, op) {
			s.body(t, op, body)
		}
	}
}

func FuzzBodies(f *testing.F) {
	ops := withBodies(f)
	s := newStranger(f)
	for i, op := range ops {
		f.Add(uint8(i), []byte(seedsOf(f, op)[0]))
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) { s.body(t, ops[int(n)%len(ops)], string(body)) })
}

func withBodies(t testing.TB) []apitest.Operation {
	return slices.DeleteFunc(apitest.Operations(t), func(o apitest.Operation) bool { return o.Body == "" })
}

func (s *stranger) body(t *testing.T, op apitest.Operation, body string) {
	contentType := asJSON
	if op.Body == apitest.Bytes {
		contentType = "application/octet-stream"
	}
	s.try(t, op, strings.Replace(op.Path, "{id}", s.target(t, orKind(op.Target)), 1), contentType, body)
}

// Whatever comes as a form instead of JSON, and with whatever type, likewise.
func TestOddForms(t *testing.T) {
	t.Parallel()
	s := newStranger(t)
	for _, contentType := range formTypes() {
		for _, body := range formSeeds() {
			s.form(t, contentType, body)
		}
	}
}

func FuzzForms(f *testing.F) {
	s := newStranger(f)
	for _, body := range formSeeds() {
		f.Add(formTypes()[0], []byte(body))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) { s.form(t, contentType, string(body)) })
}

func (s *stranger) form(t *testing.T, contentType, body string) {
	s.try(t, apitest.Operation{ID: "createMedia", Method: http.MethodPost}, "/api/v1/media", strings.Map(printable, contentType), body)
}

func formTypes() []string {
	return []string{
		"multipart/form-data;boundary=x", "multipart/form-data", "multipart/form-data;boundary=" + strings.Repeat("x", 71), `multipart/form-data;boundary="`,
		"multipart/mixed;boundary=x", "application/x-www-form-urlencoded", "image/gif", "/", ";",
	}
}

// formSeeds are a form that is taken, and what is wrong about others.
func formSeeds() []string {
	const end = "--x--\r\n"
	field := func(name, rest, value string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"" + rest + "\r\n\r\n" + value + "\r\n"
	}
	const file = "; filename=\"a.gif\"\r\nContent-Type: image/gif"
	purpose, picture := field("purpose", "", "post"), field("file", file, tinyGIF)
	return []string{
		purpose + picture + end, purpose + picture, purpose + end, picture + end, purpose + purpose + picture + picture + end, "--x", "--x\r\n", "x",
		field("purpose", "", "nothing") + picture + end, purpose + field("file", file, "") + end, purpose + field("file", "", tinyGIF) + end,
		purpose + field("file", "; filename=\"../../etc/passwd\"\r\nContent-Type: text/html", tinyGIF) + end,
		purpose + field("file", "; filename=\"\xff\x00\"\r\nContent-Type: "+strings.Repeat("x", 9000), tinyGIF) + end,
		field("purpose", "", strings.Repeat("post", 300_000)) + picture + end, strings.Repeat(field("more", "", "x"), 2000) + end,
	}
}

// seedsOf is what an operation's body may be.
func seedsOf(t testing.TB, op apitest.Operation) []string {
	if op.Body == apitest.Bytes {
		return []string{tinyGIF, "", "GIF89a", tinyGIF[:20], tinyGIF + "x", strings.Repeat("\x00", len(tinyGIF)), strings.Repeat("x", 11<<20)}
	}
	return append([]string{object(properties(t, op.Body), `"text"`)}, bodySeeds(properties(t, op.Body))...)
}

func orKind(target string) string {
	if target == "" {
		return "user"
	}
	return target
}

// bodySeeds is what a body may be: malformed ones, and every property that the operation takes with what a decoder, a database or a
// normaliser stumbles over.
func bodySeeds(properties []string) []string {
	out := []string{
		"", "{}", "null", "[]", "0", `"x"`, "{", `{"body":`, "\xff\xfe", `{"body":"a","body":"b"}`, `{"__proto__":{}}`,
		strings.Repeat("[", 40), `{"body":` + strings.Repeat(`{"a":`, 31) + "1" + strings.Repeat("}", 32),
	}
	for _, value := range []string{
		`"text"`, `""`, `" "`, "null", "1", "-0", "1e400", "true", "[]", "{}", `"\u0000"`, `"\ud800"`, `"\u202e\u200b"`, `"e\u0301"`,
		`"` + strings.Repeat("ü", 2001) + `"`, `"` + strings.Repeat("x", 5000) + `"`, `"%s%d\\"`, `"'; drop table users; --"`,
		`"correct horse"`, `"ana@example.org"`, `"user_11111111111"`,
	} {
		out = append(out, object(properties, value))
	}
	return out
}

// object is JSON with one value for every property.
func object(properties []string, value string) string {
	pairs := make([]string, len(properties))
	for i, p := range properties {
		pairs[i] = fmt.Sprintf("%q:%s", p, value)
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// properties returns the names of a schema's properties.
func properties(t testing.TB, schema string) []string {
	t.Helper()
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := yaml.Unmarshal(openapi.Spec(), &doc); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(doc.Components.Schemas[schema].Properties))
	if len(names) == 0 {
		t.Fatalf("schema %s has no properties: the reader is broken", schema)
	}
	return names
}

// Whatever ids, cursors, pages and limits an operation is asked with, the answer is in the spec and the fault is not ours.
func TestOddParameters(t *testing.T) {
	t.Parallel()
	s := newStranger(t)
	for _, op := range apitest.Operations(t) {
		for _, query := range querySeeds(t) {
			s.parameters(t, op, "", query)
		}
		for _, id := range []string{"user_11111111111", "post_zzzzzzzzzzz", "post_0", "user_", "%", "\x00", "..", "ü", strings.Repeat("x", 300)} {
			s.parameters(t, op, id, "")
		}
	}
}

func FuzzParameters(f *testing.F) {
	ops := apitest.Operations(f)
	s := newStranger(f)
	for i := range ops {
		f.Add(uint8(i), "", "limit=5&page=1&q=a&cursor="+apitest.Codec(f).Encode(publicid.Cursor, 7))
	}
	f.Add(uint8(0), "user_11111111111", "")
	f.Fuzz(func(t *testing.T, n uint8, id, query string) { s.parameters(t, ops[int(n)%len(ops)], id, query) })
}

func (s *stranger) parameters(t *testing.T, op apitest.Operation, id, query string) {
	if id == "" {
		id = s.target(t, orKind(op.Target))
	}
	path := strings.Replace(op.Path, "{id}", url.PathEscape(id), 1)
	if query != "" {
		path += "?" + strings.Map(printable, query)
	}
	s.try(t, op, path, asJSON, "")
}

// printable drops what can't stand in a request line, which net/http answers itself, and what doesn't travel.
func printable(r rune) rune {
	if r <= ' ' || r == 0x7f || r == '#' {
		return -1
	}
	return r
}

func querySeeds(t testing.TB) []string {
	cursor := apitest.Codec(t).Encode(publicid.Cursor, 1<<62)
	return []string{
		"", "limit=1", "limit=0", "limit=-1", "limit=101", "limit=99999999999999999999", "limit=1e1", "limit=", "limit=1&limit=2", "limit=%00",
		"cursor=" + cursor, "cursor=" + cursor + "&limit=100", "cursor=", "cursor=x", "cursor=" + cursor + "x", "cursor[]=" + cursor, "cursor=%ff",
		"page=1&limit=100", "page=0", "page=2147483647&limit=100", "page=2147483648", "page=-1", "page=x", "q=a", "q=%00", "q=%25%5f", "q=" + strings.Repeat("a", 300),
		"q=%ff", "q=" + url.QueryEscape("\u202e"), "q=a&cursor=" + cursor, "=", "&&&", "a=%zz", ";", "limit=1;cursor=x",
	}
}
