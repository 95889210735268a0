package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/base/config"
)

// How much room a private PostgreSQL with demo data and a few releases take: 0.2 GB and 0.1 GB each, measured, and then
// some for logs and builds.
const (
	diskFail = 1 << 30
	diskWarn = 5 << 30
)

// checkStateDir writes a file and removes it. Asking for permissions is not enough: root has all of them on a read-only
// file system too.
func checkStateDir(dir string) Check {
	const name = "state_dir"
	at, exists := nearest(dir)
	f, err := os.CreateTemp(at, ".doctor-*")
	if err != nil {
		return Check{Name: name, Status: Fail, Found: fmt.Sprintf("%s can't be written: %v", at, cause(err)),
			Next: "make it writable, or set state_dir to a folder that is"}
	}
	f.Close()
	os.Remove(f.Name())
	if !exists {
		return Check{Name: name, Status: OK, Found: dir + ", made when it is needed"}
	}
	return Check{Name: name, Status: OK, Found: dir}
}

// cause leaves the probe's random name out of an error.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// nearest returns the closest folder at or above dir that exists, and whether that is dir itself.
func nearest(dir string) (string, bool) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return at, at == dir
		}
	}
}

func checkDisk(dir string) Check {
	const name = "disk"
	at, _ := nearest(dir)
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return Check{Name: name, Status: Warn, Found: fmt.Sprintf("the room in %s is unknown: %v", at, err), Next: "look with `df`"}
	}
	return judgeDisk(at, st.Bavail*uint64(st.Bsize))
}

func judgeDisk(at string, free uint64) Check {
	c := Check{Name: "disk", Status: OK, Found: fmt.Sprintf("%.1f GB free in %s", float64(free)/(1<<30), at)}
	if free < diskWarn {
		c.Status, c.Next = Warn, "make room, or set state_dir to a larger disk"
	}
	if free < diskFail {
		c.Status = Fail
	}
	return c
}

func checkServerAddress(c *config.Config) Check {
	if c.Server.Socket != "" {
		return Check{Name: "server.listen", Status: OK, Found: "not used: server.socket is set"}
	}
	return checkAddress("server.listen", c.Server.Listen)
}

// checkAddress listens for a moment. An address in use is a warning: it may be platctl's own server.
func checkAddress(key, address string) Check {
	c := Check{Name: key, Status: OK, Found: address + " is free"}
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		l.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		c.Status, c.Found = Warn, "something listens on "+address
		c.Next = "fine if it is platctl; else set " + key + " to another address"
	case errors.Is(err, syscall.EACCES):
		c.Status, c.Found = Fail, address+" may not be used by this user"
		c.Next = "set " + key + " to a port above 1023"
	default:
		c.Status, c.Found = Fail, err.Error()
		c.Next = "set " + key + " to an address of this machine"
	}
	return c
}
