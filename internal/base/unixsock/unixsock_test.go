package unixsock

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
)

func TestListenTakesOverOnlyDeadSockets(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "us")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	ln, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", st.Mode(), err)
	}
	if _, err := Listen(path, 0o600); !errors.Is(err, fault.Busy) {
		t.Fatalf("a live socket was taken: %v", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // what a killed process leaves behind
	ln.Close()
	again, err := Listen(path, 0o600)
	if err != nil {
		t.Fatalf("a dead socket was not taken over: %v", err)
	}
	again.Close()
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, 0o600); !errors.Is(err, fault.Config) {
		t.Fatalf("a plain file was taken for a socket: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Fatal("the plain file is gone")
	}
}

func TestListenNamesTheLimit(t *testing.T) {
	t.Parallel()
	_, err := Listen("/tmp/"+strings.Repeat("x", MaxPath), 0o600)
	if !errors.Is(err, fault.Config) || !strings.Contains(err.Error(), "107") {
		t.Fatalf("got %v", err)
	}
}
