// Package apitest runs the real API on a real PostgreSQL for tests. Only tests import it.
//
// Invariant: every answer that passes through an Env's HTTP client is validated against openapi.yaml; an undocumented status,
// a field outside the schema or an error that is not problem+json fails the test that caused it.
package apitest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/openapi"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/build"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/base/telemetry"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// Env is one running API with its own database.
type Env struct {
	URL    string
	Server *server.Server
	Pool   *pgxpool.Pool
	HTTP   *http.Client // validates every answer
	Outbox *Outbox      // what the server mails, where it works jobs: see Mailing

	log lockedBuffer
	t   testing.TB
}

// unhurried is the server's where a test says nothing else: tests run beside each other on machines of any speed, and only those of
// the limits may meet one.
const unhurried = 25 * time.Second

// Hurried gives the server the patience that it has in production.
func Hurried(o *server.Options) { o.Patience = server.Patience{} }

// Option changes how the server is made.
type Option func(*server.Options)

// New starts the API on a clone of the migrated template database.
func New(t testing.TB, opts ...Option) *Env {
	t.Helper()
	return On(t, pgtest.New(t, Template(t)), opts...)
}

// On starts the API on a migrated database: several on one are replicas of each other.
func On(t testing.TB, url string, opts ...Option) *Env {
	t.Helper()
	e := &Env{t: t, Outbox: NewOutbox(t)}
	pool, err := pg.Open(t.Context(), url, pg.Options{MaxConns: 6, StatementTimeout: unhurried})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	e.Pool = pool
	log, err := telemetry.NewLogger(&e.log, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	hasher := account.NewHasher(1, 32, 20*time.Second, account.WithCost(64, 1))
	t.Cleanup(hasher.Close)
	ring, err := keyring.Single(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	o := server.Options{
		Build: build.Info{Version: "test"}, Log: log, Pool: pool, Hasher: hasher,
		Keys: keyring.Static(ring), IDKey: IDKey(), AccessTTL: 10 * time.Minute, RefreshTTL: time.Hour, DeletionGrace: 30 * 24 * time.Hour,
		Patience:   server.Patience{Queue: unhurried, Read: unhurried, Write: unhurried},
		DrainDelay: 300 * time.Millisecond, ShutdownGrace: 10 * time.Second, MinSchema: postgres.MinSchema, Role: active{},
		SchemaVersion: func(ctx context.Context) (int64, error) { return migrate.Current(ctx, pool) },
		CacheBytes:    16 << 20, CacheRecheckOne: 1, // every test is one of the cache, too
		Mail: server.Mail{Sender: e.Outbox, Site: "Market", Dotless: true},
	}
	o.Media = pictures(t)
	for _, opt := range opts {
		opt(&o)
	}
	if e.Server, err = server.New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	e.Server.Start(t.Context())
	t.Cleanup(e.Server.Stop)
	if o.JobsPool != nil {
		t.Cleanup(e.Server.Work(context.WithoutCancel(t.Context())))
	}
	t.Cleanup(func() {
		for line := range bytes.Lines(e.Log()) {
			if bytes.Contains(line, []byte("a kept answer is not what the database says")) {
				t.Errorf("the cache diverged: %s", line)
			}
		}
	})
	ts := httptest.NewServer(e.Server.Handler())
	t.Cleanup(ts.Close)
	e.URL = ts.URL
	e.HTTP = &http.Client{Transport: Validate(t, http.DefaultTransport), Timeout: 30 * time.Second}
	return e
}

// pictures is a store of a test's own.
func pictures(t testing.TB) server.Media {
	t.Helper()
	dir := t.TempDir()
	local, err := store.NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	return server.Media{Store: local, Local: local, WorkDir: filepath.Join(dir, "work"), Limits: media.Limits{Bytes: 10 << 20, AccountFiles: 100, AccountBytes: 100 << 20}}
}

// Log returns what the server has logged, one JSON object a line.
func (e *Env) Log() []byte { return e.log.bytes() }

type active struct{}

func (active) Active() bool { return true }

func (active) Watch() (bool, <-chan struct{}) { return true, nil }

// Client returns a generated client that sends token, none when it is empty.
func (e *Env) Client(token string) *client.Client {
	e.t.Helper()
	c, err := client.NewClient(e.URL, bearer(token), client.WithClient(e.HTTP))
	if err != nil {
		e.t.Fatal(err)
	}
	return c
}

// Signup creates an account and returns its session and a client that is logged in.
func (e *Env) Signup(handle string) (client.Session, *client.Client) {
	e.t.Helper()
	res, err := e.Client("").Signup(e.t.Context(), &client.SignupRequest{
		Handle: client.Handle(handle), DisplayName: strings.ToUpper(handle), Password: "correct horse",
	})
	made, ok := res.(*client.SessionResponse)
	if err != nil || !ok {
		e.t.Fatalf("%T, %v; want a session", res, err)
	}
	return made.Data, e.Client(made.Data.AccessToken)
}

type bearer string

// Bearer implements the generated SecuritySource.
func (b bearer) Bearer(context.Context, client.OperationName) (client.Bearer, error) {
	return client.Bearer{Token: string(b)}, nil
}

// Template is the migrated database that tests clone, keyed by the text of the migrations.
func Template(t testing.TB) pgtest.Template {
	t.Helper()
	sum := sha256.New()
	err := fs.WalkDir(postgres.Migrations(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(postgres.Migrations(), path)
		_, _ = sum.Write(append([]byte(path+"\x00"), data...))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pgtest.Template{Name: "api", Key: "ledger-" + hex.EncodeToString(sum.Sum(nil)[:8]), Build: applyMigrations}
}

// Validate returns a transport that checks every answer against the spec before the caller sees it.
func Validate(t testing.TB, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	v, err := specValidator()
	if err != nil {
		t.Fatal(err)
	}
	return &validating{t: t, next: next, v: v}
}

// specValidator is made once for all tests of a process: it compiles every schema, which takes 150 ms.
var specValidator = sync.OnceValues(func() (validator.Validator, error) {
	doc, err := libopenapi.NewDocument(openapi.Spec())
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	return v, errors.Join(errs...)
})

type validating struct {
	t    testing.TB
	next http.RoundTripper
	v    validator.Validator
}

// RoundTrip implements http.RoundTripper.
func (x *validating) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := x.next.RoundTrip(req)
	preflight := req.Method == http.MethodOptions && err == nil && res.StatusCode == http.StatusNoContent
	if err != nil || preflight || strings.HasPrefix(req.URL.Path+"/", openapi.PortalPath) || req.URL.Path == openapi.SpecPath {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	x.check(req, res, body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

func (x *validating) check(req *http.Request, res *http.Response, body []byte) {
	where := req.Method + " " + req.URL.Path
	if res.StatusCode >= 400 && res.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		x.checkProblem(where, res, body)
	}
	if res.Header.Get("Content-Type") == "application/x-ndjson" {
		x.checkLines(where, body)
		return
	}
	ok, errs := x.v.ValidateHttpResponse(req, res)
	if ok {
		return
	}
	for _, e := range errs {
		if e.ValidationType == "path" && res.StatusCode >= 400 {
			continue // a path or method outside the spec: checkProblem has seen it
		}
		x.t.Errorf("%s answers %d outside the spec: %s: %s\n%s", where, res.StatusCode, e.Message, e.Reason, body)
	}
}

// checkLines holds for a stream of JSON lines, which the validator takes for one value: each says what it is, the last is the end.
func (x *validating) checkLines(where string, body []byte) {
	var l struct {
		Type string
		Data map[string]any
	}
	for text := range bytes.Lines(body) {
		l.Type, l.Data = "", nil
		if err := json.Unmarshal(text, &l); err != nil || l.Type == "" || l.Data == nil {
			x.t.Errorf("%s has a line without type and data: %v: %s", where, err, text)
		}
	}
	if l.Type != "end" {
		x.t.Errorf("%s ends with a line of type %q", where, l.Type)
	}
}

// checkProblem holds for every error, also where the spec has no operation.
func (x *validating) checkProblem(where string, res *http.Response, body []byte) {
	if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
		x.t.Errorf("%s answers %d as %q, want application/problem+json: %.200s", where, res.StatusCode, ct, body)
		return
	}
	var p client.Problem
	if err := p.UnmarshalJSON(body); err != nil {
		x.t.Errorf("%s answers %d with a malformed problem: %v: %s", where, res.StatusCode, err, body)
		return
	}
	if int(p.Status) != res.StatusCode || p.TraceId != res.Header.Get("X-Trace-Id") {
		x.t.Errorf("%s: problem says status %d trace %s; the answer has %d and %s",
			where, p.Status, p.TraceId, res.StatusCode, res.Header.Get("X-Trace-Id"))
	}
	for _, leak := range []string{"pgx", "SQLSTATE", "goroutine", ".go:", "jx:", "ogen", "decode ", "runtime error", "sql:"} {
		if strings.Contains(string(body), leak) {
			x.t.Errorf("%s leaks %q: %s", where, leak, body)
		}
	}
}
