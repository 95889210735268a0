package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// The generator's traps, one test each. The ones that can be seen in the spec alone (patterns that are not RE2, format
// uri, Set-Cookie, optional response headers, constructs that are not enforced) are in openapi/spec_test.go.

// Trap: the decoder reads a body whole and copies it, without a limit of its own. A client that sends for ever is cut off.
func TestBodiesAreLimitedBeforeDecoding(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	endless := &counting{}
	req := httptest.NewRequest(http.MethodPost, "/api/v1/auth/login", endless)
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	env.Server.Handler().ServeHTTP(rec, req)
	if rec.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless body answers %d, want 413", rec.Code)
	}
	if endless.n > 1<<20 {
		t.Errorf("read %d bytes of an endless body", endless.n)
	}
}

// A body that announces its excess is refused before any of it is read: Expect: 100-continue gets a 413, not a 100.
func TestAnnouncedExcessIsNotRead(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	body := &counting{}
	req := httptest.NewRequest(http.MethodPost, "/api/v1/auth/login", body)
	req.Header.Set("Content-Type", "application/json")
	req.ContentLength = 64<<10 + 1
	rec := httptest.NewRecorder()
	env.Server.Handler().ServeHTTP(rec, req)
	if rec.Code != http.StatusRequestEntityTooLarge || body.n != 0 {
		t.Errorf("answers %d after reading %d bytes", rec.Code, body.n)
	}
}

type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	c.n += len(p)
	return len(p), nil
}

// Trap: the generated encoder sends no length. (That it also leaves garbage is httpapi/encode_test.go's.)
func TestListsHaveLength(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	if _, err := seedDemo(t, env); err != nil {
		t.Fatal(err)
	}
	res, err := env.HTTP.Get(env.URL + "/api/v1/products?limit=100")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || res.ContentLength != int64(len(body)) || len(body) < 10_000 {
		t.Errorf("Content-Length %d, body %d, %v", res.ContentLength, len(body), err)
	}
}

// Trap: an error whose status is 0 is sent as 200. Every kind has a status of 400 or more, also kinds that nobody knows.
func TestNoErrorIsSentAs200(t *testing.T) {
	t.Parallel()
	kinds := []fault.Kind{"brand_new_kind", ""}
	for _, m := range fault.Table() {
		kinds = append(kinds, m.Kind)
	}
	for _, k := range kinds {
		rec := httptest.NewRecorder()
		ctx := telemetry.WithTrace(t.Context(), http.Header{})
		httpapi.WriteProblem(ctx, rec, discardLog(), fault.New(k, "inside"))
		checkProblem(t, rec)
		if rec.Code >= 500 && k != fault.Unavailable && strings.Contains(rec.Body.String(), "inside") {
			t.Errorf("kind %q tells the client what happened inside: %s", k, rec.Body)
		}
	}
	for _, err := range []error{errors.New("plain"), context.DeadlineExceeded, io.ErrUnexpectedEOF} {
		rec := httptest.NewRecorder()
		httpapi.WriteProblem(telemetry.WithTrace(t.Context(), http.Header{}), rec, discardLog(), err)
		checkProblem(t, rec)
		if strings.Contains(rec.Body.String(), err.Error()) {
			t.Errorf("the cause %q reached the client: %s", err, rec.Body)
		}
	}
}

// Trap: "status" in the body is not held to the status of the answer by the generator.
func checkProblem(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	var p struct {
		Status  int
		Success *bool
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if rec.Code < 400 || p.Status != rec.Code || p.Success == nil || *p.Success {
		t.Errorf("answers %d with %s", rec.Code, rec.Body)
	}
}

// Trap: errors of handlers and errors of decoding take two paths; both must look the same.
func TestBothErrorPathsLookTheSame(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	keys := map[string]string{}
	for name, path := range map[string]string{
		"handler": "/api/v1/products/prod_zzzzzzzzzzz", "decoder": "/api/v1/products?limit=0",
		"security": "/api/v1/me", "router": "/api/v1/none",
	} {
		res, err := env.HTTP.Get(env.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		err = json.NewDecoder(res.Body).Decode(&m)
		_ = res.Body.Close()
		delete(m, "errors")
		if err != nil || len(m) != 7 {
			t.Errorf("%s: %v, %v", name, m, err)
		}
		keys[name] = strconv.Itoa(len(m)) + res.Header.Get("Content-Type") + res.Header.Get("X-Content-Type-Options")
	}
	for name, k := range keys {
		if k != keys["handler"] {
			t.Errorf("%s answers %q, the handler path %q", name, k, keys["handler"])
		}
	}
}

// Trap: the generator announces response headers to browsers by itself. Without a CORS policy nothing is announced.
func TestNoHeaderIsExposedByAccident(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	for _, path := range []string{"/api/health", "/api/v1/products", "/api/v1/me", "/api/docs/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://evil.example")
		res, err := env.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		for h := range res.Header {
			if strings.HasPrefix(h, "Access-Control-") {
				t.Errorf("%s answers with %s: %s", path, h, res.Header.Get(h))
			}
		}
	}
}
