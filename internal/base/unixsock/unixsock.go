// Package unixsock is HTTP over unix sockets on one host: how releases, the edge and the command line reach each other.
//
// Invariants: a path longer than MaxPath is an error that says so (the kernel would answer "invalid argument"); Listen
// never takes a socket away from a process that still answers on it.
package unixsock

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// MaxPath is the longest path of a unix socket in bytes (sun_path without its NUL).
const MaxPath = 107

// Client returns an HTTP client whose every request goes to socket, on a connection of its own: control traffic is rare,
// and a kept connection to a process that was replaced would fail once.
func Client(socket string) *http.Client {
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
	}}
}

// Listen listens on path with the given permissions. A socket nobody answers on is removed first.
func Listen(path string, perm fs.FileMode) (net.Listener, error) {
	if len(path) > MaxPath {
		return nil, fault.New(fault.Config, "socket path %s has %d bytes; the kernel takes %d", path, len(path), MaxPath).
			WithHint("choose a shorter directory")
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "can't listen on %s", path)
	}
	if err := os.Chmod(path, perm); err != nil {
		ln.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "can't protect %s", path)
	}
	return ln, nil
}

// Answers says whether a process accepts connections on socket.
func Answers(socket string) bool {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func removeStale(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "can't look at %s", path)
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fault.New(fault.Config, "%s exists and is not a socket", path)
	}
	if Answers(path) {
		return fault.New(fault.Busy, "another process answers on %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.Unavailable, "can't remove the stale socket %s", path)
	}
	return nil
}
