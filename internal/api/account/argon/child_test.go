package argon

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the child's main: what a test starts is this program.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Command {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var cheap = Params{Passes: 1, Memory: 64, Threads: 1, Key: 32}

func child(t *testing.T) (*Child, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c := NewChild(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(c.Close)
	return c, &log
}

// right asks for a key and compares it with the one that is computed here.
func right(t *testing.T, c *Child, password string, p Params) {
	t.Helper()
	salt := []byte("sixteen bytes of")
	if got := c.Derive([]byte(password), salt, p); !bytes.Equal(got, Here([]byte(password), salt, p)) {
		t.Errorf("%q, %+v: another key than here", password, p)
	}
}

// pid is the running child's, 0 without one.
func pid(c *Child) int {
	if c.process == nil {
		return 0
	}
	return c.process.cmd.Process.Pid
}

// The child computes what would be computed here, for every password and cost, and one child does it all.
func TestChildComputesTheSame(t *testing.T) {
	t.Parallel()
	c, log := child(t)
	for _, password := range []string{"", "correct horse", "\x00\xff", strings.Repeat("ü", 5000), "\"}\n{"} {
		right(t, c, password, cheap)
	}
	first := pid(c)
	right(t, c, "x", Params{Passes: 2, Memory: 19456, Threads: 1, Key: 32})
	right(t, c, "x", Params{Passes: 3, Memory: 64, Threads: 4, Key: 64})
	if first == 0 || pid(c) != first || log.Len() > 0 {
		t.Errorf("process %d, then %d; log: %s", first, pid(c), log)
	}
}

// A child that is killed between two keys or in the middle of one is replaced; nobody notices.
func TestChildIsReplaced(t *testing.T) {
	t.Parallel()
	c, log := child(t)
	right(t, c, "x", cheap)
	first := pid(c)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	right(t, c, "x", cheap)
	second := pid(c)
	if second == first || second == 0 {
		t.Errorf("process %d, then %d", first, second)
	}
	var killer sync.WaitGroup
	killer.Go(func() { // a second of work: it is killed somewhere in it
		time.Sleep(50 * time.Millisecond)
		_ = syscall.Kill(second, syscall.SIGKILL)
	})
	right(t, c, "x", Params{Passes: 16, Memory: 19456, Threads: 1, Key: 32})
	killer.Wait()
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
}

// Where no child can be had, keys are computed here, which the log says once, and that it is over once too.
func TestWithoutAChild(t *testing.T) {
	t.Parallel()
	c, log := child(t)
	program := c.program
	c.program = filepath.Join(t.TempDir(), "nothing")
	right(t, c, "x", cheap)
	right(t, c, "x", cheap)
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings: %s", n, log)
	}
	c.program = program
	right(t, c, "x", cheap)
	right(t, c, "x", cheap)
	if n := strings.Count(log.String(), "level=INFO"); n != 1 {
		t.Errorf("%d all-clears: %s", n, log)
	}
}

// A child that stands still is given up, and so is one that talks nonsense.
func TestChildThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c, log := child(t)
	right(t, c, "x", cheap)
	stopped := pid(c)
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.patience = 200 * time.Millisecond
	right(t, c, "x", cheap)
	if syscall.Kill(stopped, 0) == nil {
		t.Error("the process that stands still is still there")
	}
	c.Close()
	c.program = "/bin/echo" // prints its argument and ends
	right(t, c, "x", cheap)
	if !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("log: %s", log)
	}
}

// Signals that stop a server leave its children alone; their input ends when the server has.
func TestChildEndsWithItsServer(t *testing.T) {
	t.Parallel()
	c, log := child(t)
	right(t, c, "x", cheap)
	p := c.process
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(pid(c), s); err != nil {
			t.Fatal(err)
		}
	}
	right(t, c, "x", cheap)
	if c.process != p || log.Len() > 0 {
		t.Errorf("a signal ended it; log: %s", log)
	}
	if err := p.in.Close(); err != nil { // what the kernel does for a dead server
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// Every thread of the child has the low priority, or the one that computes might not.
func TestChildHasLowPriority(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("priorities are read from /proc")
	}
	c, _ := child(t)
	right(t, c, "x", Params{Passes: 1, Memory: 19456, Threads: 1, Key: 32})
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid(c)))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads %v, %v", threads, err)
	}
	for _, path := range threads {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		if nice := strings.Fields(rest)[16]; nice != fmt.Sprint(niceness) {
			t.Errorf("%s has priority %s, want %d", path, nice, niceness)
		}
	}
}

// What a hash takes here and in a child, with its two messages, in turns.
func BenchmarkDerive(b *testing.B) {
	c := NewChild(slog.New(slog.DiscardHandler))
	defer c.Close()
	p := Params{Passes: 2, Memory: 19456, Threads: 1, Key: 32}
	password, salt := []byte("correct horse"), []byte("sixteen bytes of")
	c.Derive(password, salt, p)
	var inside, outside time.Duration
	for b.Loop() {
		start := time.Now()
		Here(password, salt, p)
		between := time.Now()
		c.Derive(password, salt, p)
		inside, outside = inside+between.Sub(start), outside+time.Since(between)
	}
	b.ReportMetric(float64(inside.Microseconds())/float64(b.N)/1000, "ms/here")
	b.ReportMetric(float64(outside.Microseconds())/float64(b.N)/1000, "ms/child")
}
