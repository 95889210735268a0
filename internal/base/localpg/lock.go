package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/base/fault"
)

// lock takes the directory's lock file, DIR.lock. flock belongs to the open file: the kernel releases it when the
// holder dies, and the server doesn't inherit it.
func (c *cluster) lock(ctx context.Context) (release func(), err error) {
	path := c.dir + ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "the lock file beside the data directory can't be opened").
			WithHint("the folder %s has to be writable by you, or set localpg.dir", filepath.Dir(c.dir))
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			_ = f.Truncate(0)
			_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fault.Wrap(err, fault.Failed, "%s can't be locked", path)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			f.Close()
			return nil, c.busy(err, path)
		}
	}
}

func (c *cluster) busy(err error, path string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	holder := "another process"
	if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
		holder = "process " + strings.TrimSpace(string(b))
	}
	return fault.New(fault.Busy, "%s is starting or stopping the server in %s", holder, c.dir).
		WithHint("wait for it, or look at it with ps")
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
