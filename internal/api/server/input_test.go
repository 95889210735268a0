package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
)

type badInput struct {
	name, method, path, body, contentType string
	anonymous                             bool
	status                                int
	code                                  string
	field                                 string // that errors[] must name; empty: none asked
}

func badInputs() []badInput {
	const signup, posts, feed, products = "/api/v1/auth/signup", "/api/v1/posts", "/api/v1/feed", "/api/v1/products"
	valid := `{"handle":"zed","password":"correct horse","displayName":"Zed"`
	return []badInput{
		{name: "malformed JSON", path: posts, body: `{"body":`, status: 400, code: "invalid_input"},
		{name: "not an object", path: posts, body: `[]`, status: 400, code: "invalid_input", field: "body"},
		{name: "trailing data", path: posts, body: `{"body":"a"} {"body":"b"}`, status: 400, code: "invalid_input"},
		{name: "wrong type", path: posts, body: `{"body":17}`, status: 400, code: "invalid_input", field: "body.body"},
		{name: "null", path: posts, body: `{"body":null}`, status: 400, code: "invalid_input", field: "body.body"},
		{name: "missing field", path: posts, body: `{}`, status: 400, code: "invalid_input", field: "body.body"},
		{name: "unknown field", path: posts, body: `{"body":"a","admin":true}`, status: 400, code: "invalid_input", field: "body.admin"},
		{name: "empty body", path: posts, body: ``, contentType: "application/json", status: 400, code: "invalid_input"},
		{name: "post too long", path: posts, body: `{"body":"` + strings.Repeat("ä", 2001) + `"}`, status: 400, code: "invalid_input", field: "body.body"},
		{name: "grows beyond the limit when normalised", path: posts, body: `{"body":"` + strings.Repeat("\u0958", 1001) + `"}`,
			status: 400, code: "invalid_input", field: "body"},
		{name: "NUL", path: posts, body: `{"body":"a\u0000b"}`, status: 400, code: "invalid_input", field: "body"},
		{name: "bad UTF-8", path: posts, body: "{\"body\":\"a\xffb\"}", status: 400, code: "invalid_utf8"},
		{name: "too deep", path: posts, body: `{"body":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, status: 400, code: "too_deep"},
		{name: "doubled key", path: posts, body: `{"body":"one","body":"two"}`, status: 400, code: "doubled_key"},
		{name: "oversized", path: posts, body: `{"body":"` + strings.Repeat("a", 70_000) + `"}`, status: 413, code: "too_large"},
		{name: "oversized login", path: "/api/v1/auth/login", body: `{"handle":"` + strings.Repeat("a", 5_000) + `"}`, status: 413, code: "too_large"},
		{name: "wrong media type", path: posts, body: `body=a`, contentType: "application/x-www-form-urlencoded", status: 415, code: "unsupported"},
		{name: "no media type", path: posts, body: `{"body":"a"}`, contentType: "-", status: 415, code: "unsupported"},
		{name: "short handle", path: signup, body: strings.Replace(valid, "zed", "z", 1) + `}`, status: 400, code: "invalid_input", field: "body.handle"},
		{name: "handle with a space", path: signup, body: strings.Replace(valid, "zed", "z e d", 1) + `}`, status: 400, code: "invalid_input", field: "body.handle"},
		{name: "short password", path: signup, body: strings.Replace(valid, "correct horse", "short", 1) + `}`, status: 400, code: "invalid_input", field: "body.password"},
		{name: "no token", path: posts, body: `{"body":"a"}`, anonymous: true, status: 401, code: "no_token"},
		{name: "foreign cursor", method: "GET", path: feed + "?cursor=garbage", status: 400, code: "bad_cursor", field: "query.cursor"},
		{name: "post id as cursor", method: "GET", path: feed + "?cursor=post_zzzzzzzzzzz", status: 400, code: "bad_cursor"},
		{name: "cursor in bad UTF-8", method: "GET", path: feed + "?cursor=%ff%fe", status: 400, code: "bad_cursor"},
		{name: "cursor too long", method: "GET", path: feed + "?cursor=" + strings.Repeat("a", 65), status: 400, code: "invalid_input", field: "query.cursor"},
		{name: "limit 0", method: "GET", path: feed + "?limit=0", status: 400, code: "invalid_input", field: "query.limit"},
		{name: "limit 101", method: "GET", path: feed + "?limit=101", status: 400, code: "invalid_input", field: "query.limit"},
		{name: "limit is a word", method: "GET", path: products + "?limit=all", status: 400, code: "invalid_input", field: "query.limit"},
		{name: "page overflows", method: "GET", path: products + "?page=99999999999999999999", status: 400, code: "invalid_input", field: "query.page"},
		{name: "page too deep", method: "GET", path: products + "?page=10000&limit=100", status: 400, code: "page_too_deep"},
		{name: "query too long", method: "GET", path: products + "?x=" + strings.Repeat("a", 5000), status: 413, code: "too_large"},
		{name: "cursor that can't be unescaped", method: "GET", path: feed + "?cursor=%zz", status: 400, code: "malformed_query"},
		{name: "semicolon in the query", method: "GET", path: products + "?limit=1;page=2", status: 400, code: "malformed_query"},
		{name: "limit twice", method: "GET", path: products + "?limit=1&limit=2", status: 400, code: "invalid_input", field: "query.limit"},
		{name: "NUL in the query", method: "GET", path: products + "?limit=%00", status: 400, code: "invalid_input", field: "query.limit"},
		{name: "NUL in the path", method: "GET", path: products + "/%00", status: 400, code: "invalid_input", field: "path.id"},
		{name: "escaped slash in an id", method: "GET", path: products + "/prod%2fzzz", status: 400, code: "invalid_input", field: "path.id"},
		{name: "malformed id", method: "GET", path: products + "/42", status: 400, code: "invalid_input", field: "path.id"},
		{name: "id of another kind", method: "GET", path: products + "/user_zzzzzzzzzzz", status: 400, code: "invalid_input", field: "path.id"},
		{name: "id that hides nothing", method: "GET", path: products + "/prod_zzzzzzzzzzz", status: 404, code: "not_found"},
		{name: "id in bad UTF-8", method: "GET", path: products + "/%ff", status: 400, code: "invalid_input"},
		{name: "no such path", method: "GET", path: "/api/v1/nothing", status: 404, code: "no_such_route"},
		{name: "path traversal", method: "GET", path: "/api/docs/../../etc/passwd", status: 404, code: "no_such_route"},
		{name: "wrong method", method: "DELETE", path: posts, status: 405, code: "method_not_allowed"},
		{name: "wrong method on the spec", method: "DELETE", path: "/api/openapi.yaml", status: 405, code: "method_not_allowed"},
		{name: "wrong method on the portal", method: "OPTIONS", path: "/api/docs/", status: 405, code: "method_not_allowed"},
		{name: "unknown method", method: "BREW", path: products, status: 405, code: "method_not_allowed"},
	}
}

// Bad input gets the right 4xx as problem+json that names what is wrong, and never a driver message or a stack: the
// client of apitest checks that for each answer.
func TestBadInput(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	for _, in := range badInputs() {
		t.Run(in.name, func(t *testing.T) {
			res, body := send(t, env, in, ana.AccessToken)
			var p struct {
				Code   string
				Errors []struct{ Field string }
			}
			if err := json.Unmarshal(body, &p); err != nil {
				t.Fatalf("%d %s: %v", res.StatusCode, body, err)
			}
			if res.StatusCode != in.status || p.Code != in.code {
				t.Errorf("answers %d %s, want %d %s: %s", res.StatusCode, p.Code, in.status, in.code, body)
			}
			if in.status == http.StatusMethodNotAllowed && res.Header.Get("Allow") == "" {
				t.Error("the answer does not say which methods are allowed")
			}
			named := in.field == ""
			for _, e := range p.Errors {
				named = named || e.Field == in.field
			}
			if !named {
				t.Errorf("errors do not name %s: %s", in.field, body)
			}
		})
	}
}

func send(t *testing.T, env *apitest.Env, in badInput, token string) (*http.Response, []byte) {
	t.Helper()
	if in.method == "" {
		in.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), in.method, env.URL+in.path, strings.NewReader(in.body))
	if err != nil {
		t.Fatal(err)
	}
	if !in.anonymous {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	switch in.contentType {
	case "-":
	case "":
		req.Header.Set("Content-Type", "application/json")
	default:
		req.Header.Set("Content-Type", in.contentType)
	}
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res, buf.Bytes()
}

// Tokens that look right and are not.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	parts := strings.Split(ana.AccessToken, ".")
	for name, token := range map[string]string{
		"garbage": "garbage", "empty": "", "two parts": parts[0] + "." + parts[1],
		"alg none":       "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + ".",
		"other payload":  parts[0] + "." + parts[0] + "." + parts[2],
		"cut signature":  ana.AccessToken[:len(ana.AccessToken)-4],
		"bad characters": parts[0] + ".\x01." + parts[2],
		"huge":           strings.Repeat("a", 8000),
	} {
		in := badInput{method: http.MethodGet, path: "/api/v1/me"}
		if strings.ContainsAny(token, "\x01") {
			continue // the HTTP library refuses to send it
		}
		res, body := send(t, env, in, token)
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s token: %d %v %s", name, res.StatusCode, res.Header, body)
		}
	}
}
