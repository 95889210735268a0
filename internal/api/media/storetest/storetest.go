// Package storetest runs the places where pictures are kept, and makes them fail: an S3 server in the process or
// a real one in another, behind a proxy that injects faults, and a disk that is full. Only tests import it.
package storetest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/api/media/store"
)

// Fault is what the proxy does to a request.
type Fault int

// The faults.
const (
	None      Fault = iota
	Answer500       // the service says that it has an error
	Answer403       // the service refuses
	Hang            // no answer until the client gives up
	Cut             // the service does it, and the connection breaks before the answer
	Truncate        // the connection breaks in the middle of the answer
)

// S3 is an S3 service with one bucket, and the proxy in front of it.
type S3 struct {
	Options store.S3Options
	proxy   *httputil.ReverseProxy
	mu      sync.Mutex
	fault   Fault
	only    string // method; empty: all
	calls   int
}

// NewS3 starts both.
func NewS3(t testing.TB) *S3 {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("pictures"); err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(service.Close)
	u, err := url.Parse(service.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := &S3{proxy: httputil.NewSingleHostReverseProxy(u)}
	front := httptest.NewServer(s)
	t.Cleanup(front.CloseClientConnections)
	t.Cleanup(front.Close)
	t.Cleanup(func() { s.Break(None, "") })
	s.Options = store.S3Options{URL: front.URL + "/pictures", Region: "us-east-1", AccessKey: "test", SecretKey: "secret", Timeout: 2 * time.Second}
	return s
}

// Break makes requests of a method fail from now on, all of them when it is empty.
func (s *S3) Break(f Fault, method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.only = f, method
}

// Calls returns how many requests came.
func (s *S3) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// ServeHTTP implements http.Handler.
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls++
	f := s.fault
	if s.only != "" && s.only != r.Method {
		f = None
	}
	s.mu.Unlock()
	switch f {
	case None:
		s.proxy.ServeHTTP(w, r)
	case Answer500:
		http.Error(w, "<Error><Code>InternalError</Code></Error>", http.StatusInternalServerError)
	case Answer403:
		http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
	case Hang:
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case Cut, Truncate:
		rec := httptest.NewRecorder()
		s.proxy.ServeHTTP(rec, r)
		if f == Truncate {
			half(w, rec)
		}
		panic(http.ErrAbortHandler)
	}
}

// half sends the headers of an answer and the first half of its body.
func half(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
}

// SmallDisk returns a folder on a disk with room for so many bytes, or skips the test where none can be mounted.
func SmallDisk(t testing.TB, bytes int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(bytes)); err != nil {
		t.Skipf("no disk can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
