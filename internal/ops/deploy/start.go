package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/unixsock"
	"github.com/platctl/platctl/internal/ops/process"
)

const (
	tailLines  = 15
	probeEvery = 20 * time.Millisecond
	probeLimit = 2 * time.Second // of one health or readiness request
	killGrace  = 5 * time.Second // for a release that has never served
)

// started is a release process that this command started.
type started struct {
	*process.Child
	rec procRecord
	log string
}

// start runs the release detached, with its sockets as its last arguments, and writes down which process it is.
func (h *Host) start(ctx context.Context, rel *Release, m *manifest.Manifest) (*started, error) {
	dir := h.releaseDir(rel.ID)
	api, control := h.sockets(rel.seq)
	if err := clearSockets(ctx, api, control); err != nil {
		return nil, err
	}
	logFile := filepath.Join(dir, "release.log")
	child, err := process.Start(process.Command{
		Path: filepath.Join(dir, m.Start.Command[0]), Dir: dir, Env: h.opts.Env, Log: logFile,
		Args: append(slices.Clone(m.Start.Command[1:]), "--socket", api, "--control-socket", control),
	})
	if err != nil {
		return nil, err
	}
	s := &started{Child: child, log: logFile, rec: procRecord{
		Process: child.ID, Socket: api, Control: control, Started: h.opts.Now().UTC(),
	}}
	// A rollback on a full disk goes on: the process is found again by its socket.
	if err := h.writeRecord(rel.ID, s.rec); err != nil {
		h.warn("start", "the process can't be written down: "+err.Error())
	}
	rel.process = &s.rec
	return s, nil
}

// clearSockets ends what a killed command left running on these sockets, and removes them.
func clearSockets(ctx context.Context, sockets ...string) error {
	for _, s := range sockets {
		for _, orphan := range process.FindByArg(s) {
			if err := orphan.Stop(ctx, killGrace); err != nil {
				return fault.Wrap(err, fault.Failed, "process %d of an earlier attempt does not end", orphan.PID)
			}
		}
		if err := os.Remove(s); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.Wrap(err, fault.Failed, "the stale socket %s can't be removed", s)
		}
	}
	return nil
}

// waitReady waits until accept is content with the release. It ends at once when the process does, and after the
// deadline; both messages carry the end of its log.
func (h *Host) waitReady(ctx context.Context, s *started, accept func(context.Context, string) error) error {
	deadline := time.NewTimer(h.opts.ReadyTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	last := errors.New("it was not asked yet")
	for {
		select {
		case <-s.Exited():
			return fault.New(fault.Failed, "the release ended before it was ready (%s)%s", s.ExitText(), logTail(s.log)).
				WithCode("died").WithHint("its whole log is %s", s.log)
		case <-deadline.C:
			return fault.New(fault.Failed, "the release was not ready within %s: %s%s", h.opts.ReadyTimeout, last, logTail(s.log)).
				WithCode("not_ready").WithHint("its whole log is %s; deploy.ready_timeout sets the limit", s.log)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if last = accept(ctx, s.rec.Socket); last == nil {
				return nil
			}
		}
	}
}

// ready asks whether the release takes traffic.
func ready(ctx context.Context, socket string) error { return probe(ctx, socket, "/api/ready") }

// healthy asks whether the process works, its dependencies aside.
func healthy(ctx context.Context, socket string) error { return probe(ctx, socket, "/api/health") }

func probe(ctx context.Context, socket, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://release"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "platctl-deploy")
	resp, err := unixsock.Client(socket).Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer", path)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", path, resp.StatusCode)
	}
	return nil
}

func logTail(path string) string {
	lines := process.Tail(path, tailLines)
	if len(lines) == 0 {
		return "; it logged nothing"
	}
	return "; its log ends:\n    " + strings.Join(lines, "\n    ")
}

// migrate runs the release's own migrations: its expand step, while the old release serves.
func (h *Host) migrate(ctx context.Context, rel *Release, m *manifest.Manifest) error {
	dir := h.releaseDir(rel.ID)
	var out, conversation bytes.Buffer
	cmd, err := process.StartFresh(func() *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, m.Start.Command[0]), "migrate", "up", "--json")
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, h.opts.Env, &out, &conversation
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to pass on, once
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 30 * time.Second
		return cmd
	})
	if err == nil {
		err = cmd.Wait()
	}
	_ = os.WriteFile(filepath.Join(dir, "migrate.log"), append(out.Bytes(), conversation.Bytes()...), 0o640)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fault.Wrap(err, fault.Failed, "the migrations of %s failed: %s", rel.ID, migrateMessage(out.Bytes(), conversation.String())).
		WithCode("migrate_failed").WithHint("its whole output is %s", filepath.Join(dir, "migrate.log"))
}
