package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// site is what several servers share: a migrated database and the keys in a state directory.
type site struct{ env []string }

// newSite makes one on a database of the test's own; settings are NAME=value.
func newSite(t testing.TB, settings ...string) site {
	t.Helper()
	s := emptySite(t, settings...)
	s.env = append(s.env, "PLATCTL_DATABASE_URL="+pgtest.New(t, apitest.Template(t)))
	return s
}

// newBenchSite makes one on a PostgreSQL of its own, set up as `platctl db start` does: the one that tests share doesn't sync, and
// whoever else tests on this machine would be in the figures.
func newBenchSite(b *testing.B, settings ...string) site {
	b.Helper()
	s := emptySite(b, settings...)
	b.Cleanup(func() { s.platctl(b, "db", "stop") })
	s.platctl(b, "db", "start")
	s.platctl(b, "migrate", "up")
	return s
}

func emptySite(t testing.TB, settings ...string) site {
	t.Helper()
	return site{append(append(os.Environ(), "PLATCTL_STATE_DIR="+filepath.Join(pgtest.Dir(t), "state"),
		"PLATCTL_SERVER_LISTEN=127.0.0.1:0", "PLATCTL_SERVER_ADMIN_LISTEN=127.0.0.1:0", "PLATCTL_LOG_FORMAT=json"), settings...)}
}

// platctl runs a command of the site to its end.
func (s site) platctl(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.Command(platctl(t), args...)
	cmd.Env = s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("platctl %v: %v\n%s", args, err, out)
	}
}

// replica is one `platctl serve` of a site: a process of its own.
type replica struct {
	cmd     *exec.Cmd
	url     string
	metrics string
	log     *lockedLog
	ended   chan error // what Wait returned, once
}

// start runs a server and returns when it has printed its addresses. It is killed at the end of the test if it still runs.
func (s site) start(t testing.TB) *replica {
	t.Helper()
	r := &replica{cmd: exec.Command(platctl(t), "serve", "--json"), log: &lockedLog{}, ended: make(chan error, 1)}
	r.cmd.Env, r.cmd.Stderr = s.env, r.log
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, rerr := bufio.NewReader(out).ReadBytes('\n')
	var printed struct{ Data struct{ API, Metrics string } }
	jerr := json.Unmarshal(line, &printed)
	go func() { r.ended <- r.cmd.Wait() }()
	t.Cleanup(func() { _ = r.cmd.Process.Kill() }) // an error means that it has ended
	if rerr != nil || jerr != nil || printed.Data.API == "" {
		t.Fatalf("serve printed %q: %v %v\n%s", line, rerr, jerr, r.log)
	}
	r.url, r.metrics = printed.Data.API, printed.Data.Metrics
	return r
}

// terminate sends SIGTERM.
func (r *replica) terminate(t testing.TB) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// stop ends the server as its operator would, and waits for the end.
func (r *replica) stop(t testing.TB) {
	t.Helper()
	r.terminate(t)
	if err := <-r.ended; err != nil {
		t.Fatalf("serve ended with %v\n%s", err, r.log)
	}
}

// lockedLog keeps what a process writes, to be read meanwhile.
type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
