package localpg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// cluster is one data directory, whether it exists or not.
type cluster struct {
	opts  Options
	dir   string // absolute, without symbolic links above its last element
	acct  account
	major int // 0: the directory is absent or empty
}

// open looks at the directory without changing anything.
func open(o Options) (*cluster, error) {
	if o.Dir == "" {
		return nil, fault.New(fault.Config, "no data directory is set")
	}
	dir, err := canonical(o.Dir)
	if err != nil {
		return nil, err
	}
	c := &cluster{opts: o, dir: dir}
	if c.acct, err = accountFor(dir); err != nil {
		return nil, err
	}
	c.major, err = majorOf(dir)
	return c, err
}

// canonical resolves the links above dir, so that one directory has one lock and one socket folder. Missing parents
// stay as they are written.
func canonical(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.Wrap(err, fault.Config, "data directory %s", dir)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	if parent, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		return filepath.Join(parent, filepath.Base(abs)), nil
	}
	return abs, nil
}

// majorOf returns the version of a data directory, 0 for an absent or empty one, and an error for anything else.
func majorOf(dir string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	switch {
	case err == nil:
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return 0, fault.New(fault.Config, "%s/PG_VERSION holds %.40q; nothing was touched", dir, b).
				WithHint("restore the directory, or set localpg.dir to a new one")
		}
		return n, nil
	case !errors.Is(err, fs.ErrNotExist):
		return 0, fault.Wrap(err, fault.Config, "the data directory can't be read").
			WithHint("set localpg.dir to a directory of yours")
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, fault.Wrap(err, fault.Config, "the data directory can't be read")
	}
	return 0, fault.New(fault.Config, "%s is not a PostgreSQL data directory and not empty; nothing was touched", dir).
		WithHint("set localpg.dir to an empty or a new directory")
}

// socketDir is where a server that we start puts its socket: the data directory, which is private already, or where
// that path is too long a folder of its own in the system's short places.
func (c *cluster) socketDir() string {
	if len(filepath.Join(c.dir, socketName)) <= maxSocketPath {
		return c.dir
	}
	sum := sha256.Sum256([]byte(c.dir))
	name := "platctl-" + hex.EncodeToString(sum[:8])
	if os.Geteuid() == 0 && isDir("/run") {
		return filepath.Join("/run", name)
	}
	return filepath.Join("/tmp", name)
}

// ensureSocketDir makes the folder. In a shared place somebody else may have made it first, so it has to be a real folder
// of the server's user that nobody else may enter.
func (c *cluster) ensureSocketDir() error {
	dir := c.socketDir()
	if dir == c.dir {
		return nil
	}
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = c.acct.own(dir)
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return fault.Wrap(err, fault.Failed, "the socket's folder can't be made")
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fault.Wrap(err, fault.Failed, "the socket's folder can't be read")
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 || ownerOf(info) != c.acct.uid {
		return fault.New(fault.Failed, "%s is not a private folder of %s", dir, c.acct.name).
			WithHint("look who made it, remove it, or set localpg.dir to a path of at most %d bytes",
				maxSocketPath-len(socketName)-1)
	}
	return nil
}

// deadline gives ctx the default deadline where it has none.
func (c *cluster) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	d := c.opts.Timeout
	if d == 0 {
		d = time.Minute
	}
	return context.WithTimeout(ctx, d)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
