package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
)

// longestSocket is the longest name of a socket in the socket directory.
const longestSocket = "/r99999999.sock"

// prepare makes the app's directories.
func (h *Host) prepare() error {
	if err := os.MkdirAll(h.path("releases"), 0o750); err != nil {
		return fault.Wrap(err, fault.Config, "%s can't be made", h.dir).
			WithHint("deploy.root says where apps live; this user must be able to write there")
	}
	return h.prepareSockets()
}

// socketDir returns the directory of the sockets: run/, or where it points.
func (h *Host) socketDir() string {
	run := h.path("run")
	if to, err := os.Readlink(run); err == nil {
		return to
	}
	return run
}

func (h *Host) prepareSockets() error {
	run, dir := h.path("run"), h.socketDir()
	if dir == run && len(run)+len(longestSocket) > unixsock.MaxPath {
		dir = shortDir(h.dir)
		if err := os.Symlink(dir, run); err != nil && !errors.Is(err, fs.ErrExist) {
			return fault.Wrap(err, fault.Config, "%s can't be linked", run)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Wrap(err, fault.Config, "the socket directory %s can't be made", dir)
	}
	return ownedPrivately(dir)
}

// shortDir is a place for the sockets of an app whose own path is too long for a socket.
func shortDir(of string) string {
	sum := sha256.Sum256([]byte(of))
	base := "/tmp"
	if os.Geteuid() == 0 {
		base = "/run"
	}
	return filepath.Join(base, fmt.Sprintf("platctl-%d-%s", os.Geteuid(), hex.EncodeToString(sum[:6])))
}

// ownedPrivately refuses a directory that another user made or can write: in /tmp a stranger could have been first.
func ownedPrivately(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return fault.Wrap(err, fault.Config, "the socket directory %s can't be used", dir)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || !st.IsDir() || st.Mode().Perm()&0o077 != 0 || int(sys.Uid) != os.Geteuid() {
		return fault.New(fault.Config, "the socket directory %s is not a directory of this user alone", dir).
			WithHint("run as the user that deployed before, or remove it")
	}
	return nil
}

func (h *Host) sockets(seq int) (api, control string) {
	base := filepath.Join(h.socketDir(), "r"+strconv.Itoa(seq))
	return base + ".sock", base + ".ctl"
}
