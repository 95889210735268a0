// Package redistest starts Redis servers for tests: each a process of its own on a port of loopback, which keeps nothing.
//
// Invariants: a server ends with its test, and it is the one that the test started; a machine without Redis skips the test.
package redistest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

const startTime = time.Minute // that a server may take to answer

// Server is a Redis, or a Valkey, that can be killed and started again at the same address.
type Server struct {
	Address  string
	TLS      string // where it speaks TLS; empty: nowhere
	password string
	t        testing.TB
	binary   string
	dir      string
	args     []string
	cmd      *exec.Cmd
	said     bytes.Buffer
}

// New starts a server that wants a password.
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, password: "not/so:secret", binary: binary(t), dir: t.TempDir(), Address: free(t), args: args}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// NewTLS starts a server that speaks TLS on an address of its own besides, with what trusts its certificate.
func NewTLS(t testing.TB) (s *Server, trust *tls.Config) {
	t.Helper()
	https := httptest.NewUnstartedServer(nil) // it has a certificate for 127.0.0.1
	https.StartTLS()
	defer https.Close()
	own := https.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: own.Certificate[0]}, "key": {Type: "PRIVATE KEY", Bytes: key}}
	for name, block := range files {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := free(t)
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	s = New(t, "--tls-port", port, "--tls-cert-file", filepath.Join(dir, "cert"), "--tls-key-file", filepath.Join(dir, "key"), "--tls-auth-clients", "no")
	s.TLS = at
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	return s, &tls.Config{RootCAs: roots}
}

// URL is where it is, for who knows a password.
func (s *Server) URL(password string) string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: s.Address, Path: "/0"}
	return u.String()
}

// Open is where it is, with the password.
func (s *Server) Open() string { return s.URL(s.password) }

// Start starts it and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", s.dir, "--requirepass", s.password}, s.args...)
	s.said.Reset()
	s.cmd = exec.Command(s.binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(startTime); ; time.Sleep(5 * time.Millisecond) {
		if _, err = s.do("PING"); err == nil {
			return
		}
		if time.Now().After(end) {
			s.Kill()
			s.t.Fatalf("%s doesn't answer: %v\n%s", s.binary, err, s.said.String())
		}
	}
}

// Kill ends it at once, whatever it has in memory.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Pause stops its process, which then takes connections and answers nothing.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Do runs one command.
func (s *Server) Do(command string, args ...any) any {
	s.t.Helper()
	answer, err := s.do(command, args...)
	if err != nil {
		s.t.Fatalf("%s: %v", command, err)
	}
	return answer
}

func (s *Server) do(command string, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	conn, err := redis.DialContext(ctx, "tcp", s.Address, redis.DialPassword(s.password))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return redis.DoContext(conn, ctx, command, args...)
}

func binary(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no redis-server and no valkey-server: tools/ensure-redis.sh installs one")
	return ""
}

// free returns an address of loopback that nobody has.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
