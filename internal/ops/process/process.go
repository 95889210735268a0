// Package process starts, recognises and stops the processes of a host: releases and the edge, which outlive the command
// that started them.
//
// Invariants: a process is its pid plus its start time and the boot it belongs to, so a recycled pid is never taken for
// it and never signalled; a started process is the leader of its own session, so neither a closed terminal nor Ctrl-C
// reaches it.
package process

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/base/fault"
)

// ID identifies one process for as long as the machine remembers it.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start_ticks"` // /proc/<pid>/stat field 22, clock ticks since boot
	Boot  string `json:"boot_id"`
}

// Self returns the identity of this process.
func Self() (ID, error) { return Of(os.Getpid()) }

// Of returns the identity of the process that has pid now.
func Of(pid int) (ID, error) {
	st, err := readStat(pid)
	if err != nil {
		return ID{}, fault.Wrap(err, fault.NotFound, "there is no process %d", pid)
	}
	return ID{PID: pid, Start: st.start, Boot: bootID()}, nil
}

// Alive says whether this very process still runs. A zombie does not, once all its threads are gone.
func (i ID) Alive() bool {
	if i.PID <= 0 || i.Boot != bootID() {
		return false
	}
	st, err := readStat(i.PID)
	return err == nil && st.start == i.Start && !st.gone()
}

// Signal sends sig to this very process. The process is pinned by a pidfd between the check and the signal; where the
// kernel has none, a plain kill follows the check at once.
func (i ID) Signal(sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(i.PID, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	if !i.Alive() {
		return os.ErrProcessDone
	}
	if err == nil {
		return unix.PidfdSendSignal(fd, sig, nil, 0)
	}
	return syscall.Kill(i.PID, sig)
}

// Stop asks the process to end, and kills its group when it has not within grace. It returns when the process is gone, or
// with ctx.
func (i ID) Stop(ctx context.Context, grace time.Duration) error {
	if err := i.Signal(syscall.SIGTERM); err != nil {
		return ignoreDone(err)
	}
	gentle, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if i.Wait(gentle) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return i.Kill(ctx)
}

// Kill ends the process and its group without asking, and waits until it is gone.
func (i ID) Kill(ctx context.Context) error {
	if !i.Alive() {
		return nil
	}
	// The group exists as long as its leader does, and the leader was alive a moment ago; a group id is not reused while
	// a member lives.
	_ = syscall.Kill(-i.PID, syscall.SIGKILL)
	if err := i.Signal(syscall.SIGKILL); err != nil {
		return ignoreDone(err)
	}
	return i.Wait(ctx)
}

// Wait returns nil once the process is gone, or the error of ctx.
func (i ID) Wait(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i.Alive() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// FindByArg returns the processes that have arg as one of their arguments: how a process is found whose starter died
// before it could write down the pid.
func FindByArg(arg string) []ID {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var out []ID
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil || !hasArg(line, arg) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if id, err := Of(pid); err == nil && id.Alive() {
			out = append(out, id)
		}
	}
	return out
}

func hasArg(cmdline []byte, arg string) bool {
	for a := range bytes.SplitSeq(cmdline, []byte{0}) {
		if string(a) == arg {
			return true
		}
	}
	return false
}

type stat struct {
	state   byte
	threads int
	start   uint64
}

// gone says whether only the entry in the process table is left. A leader that is a zombie while other threads still
// exit holds its files and sockets.
func (s stat) gone() bool { return s.state == 'X' || s.state == 'Z' && s.threads <= 1 }

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

// parseStat reads fields 3, 20 and 22. Field 2, the name, may hold spaces and parentheses, so counting starts behind the last
// parenthesis.
func parseStat(b []byte) (stat, error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return stat{}, errors.New("no process name in stat")
	}
	f := strings.Fields(string(b[end+1:]))
	if len(f) < 20 || len(f[0]) != 1 {
		return stat{}, errors.New("stat is too short")
	}
	threads, terr := strconv.Atoi(f[17])
	start, err := strconv.ParseUint(f[19], 10, 64)
	return stat{state: f[0][0], threads: threads, start: start}, errors.Join(terr, err)
}

func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
