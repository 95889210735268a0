package localpg

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Stop ends the server of the data directory: open transactions are rolled back, everything committed stays. It returns
// the process it stopped, 0 where none ran.
func Stop(ctx context.Context, o Options) (int, error) {
	pid, err := stop(ctx, o)
	return pid, fault.Op("stop PostgreSQL", err)
}

func stop(ctx context.Context, o Options) (int, error) {
	c, err := open(o)
	if err != nil {
		return 0, err
	}
	if !isDir(filepath.Dir(c.dir)) || c.major == 0 {
		return 0, nil
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	release, err := c.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	pm, alive := c.running()
	if !alive {
		return 0, nil
	}
	// SIGINT is PostgreSQL's "fast" shutdown.
	if err := syscall.Kill(pm.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return 0, fault.Wrap(err, fault.Failed, "process %d can't be told to stop", pm.pid)
	}
	for wait := time.Millisecond; isServer(pm.pid, c.dir); wait = min(wait*3/2, 20*time.Millisecond) {
		if err := pause(ctx, wait); err != nil {
			if errors.Is(err, context.Canceled) {
				return 0, err
			}
			return 0, fault.New(fault.Timeout, "the server, process %d, was told to stop and has not ended", pm.pid).
				WithHint("its log is %s", LogFile(c.dir))
		}
	}
	return pm.pid, nil
}
