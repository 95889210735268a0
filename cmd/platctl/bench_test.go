package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// stand is a state directory and the environment that makes platctl use it.
type stand struct{ env []string }

func newStand(b *testing.B) stand {
	b.Helper()
	dir := pgtest.Dir(b)
	return stand{append(os.Environ(), "PLATCTL_STATE_DIR="+filepath.Join(dir, "state"), "PLATCTL_LOCALPG_DIR="+filepath.Join(dir, "pg"),
		"PLATCTL_SERVER_LISTEN=127.0.0.1:0", "PLATCTL_SERVER_ADMIN_LISTEN=127.0.0.1:0", "PLATCTL_SERVER_DRAIN_DELAY=0s",
		"PLATCTL_LOG_LEVEL=error")}
}

// serve starts `platctl serve --dev`, and returns it with the time until it printed its addresses: it is ready then.
func (s stand) serve(b *testing.B) (*exec.Cmd, time.Duration) {
	b.Helper()
	cmd := exec.Command(platctl(b), "serve", "--dev", "--json")
	cmd.Env, cmd.Stderr = s.env, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	took := time.Since(start)
	if err != nil || !strings.Contains(line, `"ok":true`) {
		b.Fatalf("serve printed %q: %v", line, err)
	}
	return cmd, took
}

func stop(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatalf("serve ended with %v", err)
	}
}

// From nothing: initdb, start, migrations, demo data, ready. What `make up` takes after the build.
func BenchmarkFirstUp(b *testing.B) {
	platctl(b)
	for b.Loop() {
		cmd, took := newStand(b).serve(b)
		b.ReportMetric(float64(took.Milliseconds()), "ms/ready")
		stop(b, cmd)
	}
}

// From an existing database whose server is stopped: start PostgreSQL, compare migrations, ready.
func BenchmarkStartToReady(b *testing.B) {
	s := newStand(b)
	cmd, _ := s.serve(b)
	stop(b, cmd)
	for b.Loop() {
		cmd, took := s.serve(b)
		b.ReportMetric(float64(took.Milliseconds()), "ms/ready")
		stop(b, cmd)
	}
}

// Memory at rest, two seconds after ready, as the kernel counts it.
func BenchmarkIdleMemory(b *testing.B) {
	s := newStand(b)
	for b.Loop() {
		cmd, _ := s.serve(b)
		time.Sleep(2 * time.Second)
		for field, unit := range map[string]string{"RssAnon": "MB-anonymous", "VmRSS": "MB-resident"} {
			b.ReportMetric(statusKB(b, cmd.Process.Pid, field)/1024, unit)
		}
		stop(b, cmd)
	}
}

func statusKB(b testing.TB, pid int, field string) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("memory is read from /proc: ", err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb
		}
	}
	b.Fatalf("no %s in /proc/%d/status", field, pid)
	return 0
}

// The price of being one binary: help, completion and version touch nothing expensive.
func BenchmarkVersion(b *testing.B) {
	path := platctl(b)
	for b.Loop() {
		if out, err := exec.Command(path, "version").CombinedOutput(); err != nil || len(out) == 0 {
			b.Fatal(err)
		}
	}
}
