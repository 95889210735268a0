package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/media/storetest"
	"github.com/platctl/platctl/internal/base/fault"
)

const (
	stagingKey = store.Staging + "aaaabbbbccccddddeeee"
	publicKey  = store.Public + "aaaabbbbccccddddeeee-800.webp"
)

func local(t *testing.T) *store.Local {
	t.Helper()
	l, err := store.NewLocal(filepath.Join(t.TempDir(), "pictures"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func s3(t *testing.T) (*store.S3, *storetest.S3) {
	t.Helper()
	service := storetest.NewS3(t)
	s, err := store.NewS3(service.Options)
	if err != nil {
		t.Fatal(err)
	}
	return s, service
}

func put(t *testing.T, s store.Store, key, text string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(text), int64(len(text))); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, s store.Store, key string) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Fetch(t.Context(), key, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Both places keep the same promises.
func TestStores(t *testing.T) {
	t.Parallel()
	bucket, _ := s3(t)
	for name, s := range map[string]store.Store{
		"local": local(t), "s3": bucket, "guarded": store.Guard(local(t), slog.New(slog.DiscardHandler)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepsPromises(t, s)
		})
	}
}

func keepsPromises(t *testing.T, s store.Store) {
	t.Helper()
	put(t, s, stagingKey, "an upload")
	put(t, s, publicKey, "a picture")
	put(t, s, publicKey, "a picture") // once more is the same
	if got := fetch(t, s, stagingKey); got != "an upload" {
		t.Errorf("fetched %q", got)
	}
	if got := list(t, s, store.Public); !slices.Equal(got, []string{publicKey}) {
		t.Errorf("listed %v", got)
	}
	for range 2 { // deleting what is not there is no error
		if err := s.Delete(t.Context(), stagingKey); err != nil {
			t.Error(err)
		}
	}
	if err := s.Fetch(t.Context(), stagingKey, io.Discard); !errors.Is(err, fault.NotFound) {
		t.Errorf("fetching what is gone: %v", err)
	}
	if got := list(t, s, store.Staging); len(got) != 0 {
		t.Errorf("listed %v", got)
	}
	stop := errors.New("stop")
	if err := s.List(t.Context(), store.Public, func(store.Object) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a listing that was stopped: %v", err)
	}
	for _, key := range badKeys() {
		if s.Put(t.Context(), key, strings.NewReader(""), 0) == nil || s.Fetch(t.Context(), key, io.Discard) == nil || s.Delete(t.Context(), key) == nil {
			t.Errorf("%q is taken for a key", key)
		}
	}
}

func badKeys() []string {
	return []string{
		"", "public/", "public/../../etc/passwd", "public/aaaa", "staging/aaaabbbbcccc/ddddeeee", "other/aaaabbbbccccddddeeee", "/public/aaaabbbbccccddddeeee",
		"public/aaaabbbbccccddddeeee.html", "public/AAAABBBBCCCCDDDDEEEE", "public/aaaabbbbccccddddeeee\x00", "public/" + strings.Repeat("a", 200),
	}
}

func list(t *testing.T, s store.Store, area string) []string {
	t.Helper()
	var keys []string
	if err := s.List(t.Context(), area, func(o store.Object) error {
		if o.Size == 0 || time.Since(o.Modified) > time.Minute {
			t.Errorf("%+v", o)
		}
		keys = append(keys, o.Key)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return keys
}

// Many writers of one key end with the bytes of one of them, whole.
func TestConcurrentPuts(t *testing.T) {
	t.Parallel()
	l := local(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			text := strings.Repeat(string(rune('a'+i)), 50_000)
			if err := l.Put(t.Context(), publicKey, strings.NewReader(text), int64(len(text))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := fetch(t, l, publicKey); len(got) != 50_000 || strings.Trim(got, got[:1]) != "" {
		t.Errorf("%d bytes, mixed", len(got))
	}
}

// A source that ends early stores nothing, and leaves nothing.
func TestShortSource(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pictures")
	l, err := store.NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Put(t.Context(), publicKey, strings.NewReader("short"), 10); code(err) != "storage_put_failed" {
		t.Errorf("%v", err)
	}
	if left := list(t, l, store.Public); len(left) != 0 {
		t.Errorf("stored %v", left)
	}
	if tmp, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(tmp) != 0 {
		t.Errorf("left %v, %v", tmp, err)
	}
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return fault.From(err).Code
}

// A full disk is a clear error, and leaves nothing half written; with room again the same call succeeds.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := storetest.SmallDisk(t, 256<<10)
	l, err := store.NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 100<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", 180<<10)
	err = l.Put(t.Context(), publicKey, strings.NewReader(big), int64(len(big)))
	if code(err) != "storage_put_failed" || !strings.Contains(err.Error(), "has no room") {
		t.Errorf("%v", err)
	}
	if left := list(t, l, store.Public); len(left) != 0 {
		t.Errorf("stored %v", left)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	put(t, l, publicKey, big)
	if fetch(t, l, publicKey) != big {
		t.Error("it is not what was put")
	}
}

// Each way in which a service fails is one of two codes, and a call that failed may be made again.
func TestFailingService(t *testing.T) {
	t.Parallel()
	s, service := s3(t)
	failsWithCodes(t, s, service)
}

func failsWithCodes(t *testing.T, s store.Store, service *storetest.S3) {
	t.Helper()
	text := strings.Repeat("bytes ", 10_000)
	for name, c := range map[string]struct {
		fault      storetest.Fault
		put, fetch string
	}{
		"500":       {storetest.Answer500, "storage_put_failed", "storage_put_failed"},
		"403":       {storetest.Answer403, "storage_put_failed", "storage_put_failed"},
		"no answer": {storetest.Hang, "storage_unreachable", "storage_unreachable"},
		"cut off":   {storetest.Cut, "storage_unreachable", "storage_unreachable"},
		"truncated": {storetest.Truncate, "", "storage_unreachable"}, // the answer to a put has no body
	} {
		key := store.Public + strings.ReplaceAll(name, " ", "-") + "-of-a-service"
		service.Break(c.fault, "")
		if err := s.Put(t.Context(), key, strings.NewReader(text), int64(len(text))); c.put != "" && code(err) != c.put {
			t.Errorf("%s: put: %v, want %s", name, err, c.put)
		}
		service.Break(storetest.None, "")
		// The call is made again, as whoever failed does: the first one may get the connection that the fault has broken.
		if err := s.Put(t.Context(), key, strings.NewReader(text), int64(len(text))); err != nil {
			put(t, s, key, text)
		}
		service.Break(c.fault, http.MethodGet)
		if err := s.Fetch(t.Context(), key, io.Discard); code(err) != c.fetch {
			t.Errorf("%s: fetch: %v, want %s", name, err, c.fetch)
		}
		if err := s.List(t.Context(), store.Public, func(store.Object) error { return nil }); err == nil {
			t.Errorf("%s: the listing did not fail", name)
		}
		service.Break(storetest.None, "")
		if fetch(t, s, key) != text {
			t.Errorf("%s: it is not what was put", name)
		}
	}
}

// A service that keeps failing is not called any more, and that is unreachable too; a client that leaves says nothing about it.
func TestGuard(t *testing.T) {
	t.Parallel()
	s, service := s3(t)
	var log bytes.Buffer
	g := store.Guard(s, slog.New(slog.NewTextHandler(&log, nil)))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if err := g.Fetch(gone, publicKey, io.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if err := g.Fetch(t.Context(), publicKey, io.Discard); !errors.Is(err, fault.NotFound) {
			t.Errorf("%v", err)
		}
	}
	service.Break(storetest.Answer500, "")
	for range 5 {
		if err := g.Put(t.Context(), publicKey, strings.NewReader("x"), 1); code(err) != "storage_put_failed" {
			t.Errorf("%v", err)
		}
	}
	calls := service.Calls()
	for what, err := range map[string]error{
		"put":    g.Put(t.Context(), publicKey, strings.NewReader("x"), 1),
		"fetch":  g.Fetch(t.Context(), publicKey, io.Discard),
		"delete": g.Delete(t.Context(), publicKey),
		"list":   g.List(t.Context(), store.Public, func(store.Object) error { return nil }),
	} {
		if code(err) != "storage_unreachable" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := service.Calls(); n != calls {
		t.Errorf("%d calls were made while the breaker was open", n-calls)
	}
	if !strings.Contains(log.String(), "service=storage") {
		t.Errorf("log: %s", log.String())
	}
}

// Secrets and what is no bucket are found before anything is called.
func TestS3Options(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"", "s3.example.org/pictures", "https://s3.example.org", "https://s3.example.org/a/b", "ftp://h/b", "https://u:p@h/b", "https://h/b?x=1", "://"} {
		if _, err := store.NewS3(store.S3Options{URL: u}); !errors.Is(err, fault.Config) {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// The public area is served with headers that keep a picture a picture; nothing else is served.
func TestServing(t *testing.T) {
	t.Parallel()
	l := local(t)
	put(t, l, publicKey, "a picture")
	put(t, l, stagingKey, "an upload")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/media/")) {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	get := func(path string, header ...string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = path
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	path := "/media/" + strings.TrimPrefix(publicKey, store.Public)
	res := get(path)
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK || string(body) != "a picture" {
		t.Fatalf("%d %q", res.StatusCode, body)
	}
	for name, want := range map[string]string{
		"Content-Type": "image/webp", "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff",
		"Cache-Control": "public, max-age=31536000, immutable", "Content-Disposition": `inline; filename="aaaabbbbccccddddeeee-800.webp"`,
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if res := get(path, "Range", "bytes=2-3"); res.StatusCode != http.StatusPartialContent {
		t.Errorf("range: %d", res.StatusCode)
	}
	if res := get(path, "If-None-Match", res.Header.Get("ETag")); res.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %d", res.StatusCode)
	}
	for _, path := range []string{
		"/media/", "/media/aaaabbbbccccddddeeee", "/media/bbbbbbbbccccddddeeee-800.webp", "/media/../staging/aa/aa/aaaabbbbccccddddeeee",
		"/media/..%2f..%2fstaging", "/media/public/aa", "/media/\x00aaaabbbbccccddddeeee-800.webp",
	} {
		if res := get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %d", path, res.StatusCode)
		}
	}
}

// Whatever is asked for, nothing outside the public area answers.
func FuzzServing(f *testing.F) {
	dir := f.TempDir()
	l, err := store.NewLocal(dir)
	if err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret.webp"), []byte("secret"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Add("../secret.webp")
	f.Add("aaaabbbbccccddddeeee-800.webp")
	f.Fuzz(func(t *testing.T, name string) {
		rec := httptest.NewRecorder()
		if l.Serve(rec, httptest.NewRequest(http.MethodGet, "/", nil), name) || rec.Body.Len() > 0 {
			t.Fatalf("%q is answered", name)
		}
	})
}
