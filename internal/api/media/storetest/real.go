package storetest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/base/moduletest"
)

// Real is an S3 service in a process of its own, over a folder, behind the same proxy as S3. It can be killed and started again.
type Real struct {
	S3
	binary, dir, socket string
	cmd                 *exec.Cmd
}

// The credentials of the service.
const (
	realAccess = "pictures"
	realSecret = "not-so-secret"
)

// startTime is how long the service may take to answer.
const startTime = time.Minute

// NewReal starts the service with one bucket: given, when it is not empty (tests pass the variable PLATCTL_TEST_S3), else built
// from tools/s3, which takes a minute on the first call on a machine.
func NewReal(t testing.TB, given string) *Real {
	t.Helper()
	dir, err := os.MkdirTemp("", "s3") // t.TempDir's are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.MkdirAll(filepath.Join(dir, "buckets", "pictures"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := &Real{binary: moduletest.Build(t, given, "s3", "tools/s3", "."), dir: dir, socket: filepath.Join(dir, "socket")}
	r.proxy = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "s3"}) // leaves Host alone, which is signed
	r.proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	r.proxy.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.socket)
	}}
	front := httptest.NewServer(r)
	t.Cleanup(front.CloseClientConnections)
	t.Cleanup(front.Close)
	t.Cleanup(func() { r.Break(None, "") })
	r.Options = store.S3Options{URL: front.URL + "/pictures", Region: "us-east-1", AccessKey: realAccess, SecretKey: realSecret, Timeout: 20 * time.Second}
	r.Start(t)
	t.Cleanup(r.Kill)
	return r
}

// Start runs the service, and returns when it takes connections.
func (r *Real) Start(t testing.TB) {
	t.Helper()
	_ = os.Remove(r.socket) // left behind by one that was killed
	r.cmd = exec.Command(r.binary, r.dir, r.socket)
	r.cmd.Env = append(r.cmd.Environ(), "S3_ACCESS="+realAccess, "S3_SECRET="+realSecret)
	r.cmd.Stderr = os.Stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(startTime); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("unix", r.socket)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			r.Kill()
			t.Fatalf("the S3 service does not answer: %v", err)
		}
	}
}

// Kill ends the service as a crash does.
func (r *Real) Kill() {
	_ = r.cmd.Process.Kill() // an error means that it has ended
	_ = r.cmd.Wait()
}
