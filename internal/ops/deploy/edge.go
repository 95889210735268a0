package deploy

import (
	"context"
	"os"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/edge"
	"github.com/platctl/platctl/internal/ops/process"
)

// StartEdge runs an edge in the background and returns once it answers.
func (h *Host) StartEdge(ctx context.Context, path string, args []string) (*edge.State, error) {
	if err := h.prepare(); err != nil {
		return nil, err
	}
	if st, err := h.Edge().State(ctx); err == nil {
		return nil, fault.New(fault.Busy, "an edge of %s runs already: process %d on %s", h.opts.App, st.Process.PID, st.Listen).
			WithHint("`platctl edge stop` ends it")
	}
	wd, err := os.Getwd()
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "the working directory is gone")
	}
	child, err := process.Start(process.Command{Path: path, Args: args, Dir: wd, Env: h.opts.Env, Log: h.EdgeLog()})
	if err != nil {
		return nil, err
	}
	deadline := time.NewTimer(h.opts.ReadyTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-child.Exited():
			kind := fault.Failed
			for _, k := range []fault.Kind{fault.Busy, fault.Config} { // as the edge in the foreground would answer
				if child.ExitCode() == fault.Lookup(k).Exit {
					kind = k
				}
			}
			return nil, fault.New(kind, "the edge ended (%s)%s", child.ExitText(), logTail(h.EdgeLog()))
		case <-deadline.C:
			_ = child.Kill(context.WithoutCancel(ctx))
			return nil, fault.New(fault.Failed, "the edge does not answer after %s%s", h.opts.ReadyTimeout, logTail(h.EdgeLog()))
		case <-ctx.Done():
			_ = child.Kill(context.WithoutCancel(ctx))
			return nil, ctx.Err()
		case <-tick.C:
			if st, err := h.Edge().State(ctx); err == nil && st.Process == child.ID {
				return st, nil
			}
		}
	}
}

// StopEdge ends the edge after its soft drain, which takes at most patience, and with all the releases too.
func (h *Host) StopEdge(ctx context.Context, patience time.Duration, all bool) (stopped []string, err error) {
	v := h.look(ctx)
	if v.edgeErr != nil && !all {
		return nil, fault.New(fault.No, "no edge runs for %s", h.opts.App).
			WithHint("`platctl edge stop --all` ends releases that still run")
	}
	ctx, l, err := h.acquire(ctx, "edge stop", v.tokenFloor(), true)
	if err != nil {
		return nil, fault.Op("stop edge", err)
	}
	defer l.release()
	if v.edgeErr == nil {
		if err := v.edge.Process.Stop(ctx, patience); err != nil {
			return nil, fault.Op("stop edge", fault.Wrap(err, fault.Failed, "the edge (process %d) does not end", v.edge.Process.PID))
		}
		stopped = append(stopped, "edge")
	}
	if !all {
		return stopped, nil
	}
	for _, rel := range v.releases {
		if rel.Warm {
			stopped = append(stopped, rel.ID)
		}
		if err := h.stop(ctx, rel); err != nil {
			return stopped, fault.Op("stop edge", err)
		}
	}
	return stopped, nil
}
