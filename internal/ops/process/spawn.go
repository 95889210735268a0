package process

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Command is a process to start. Its output goes to the file Log, which is appended to.
type Command struct {
	Path string // absolute
	Args []string
	Dir  string
	Env  []string
	Log  string
}

// Child is a process that Start started. It lives on when this process ends.
type Child struct {
	ID
	exited chan struct{}
	err    error // why it ended; readable once exited is closed
}

// Start runs c detached: own session, own process group, no input.
func Start(c Command) (*Child, error) {
	log, err := os.OpenFile(c.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "the log %s can't be opened", c.Log)
	}
	defer log.Close()
	cmd, err := StartFresh(func() *exec.Cmd {
		cmd := exec.Command(c.Path, c.Args...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.Dir, c.Env, log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return cmd
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "%s can't be started", c.Path)
	}
	// The child can't be reaped before Wait, so its stat is readable even if it has ended already.
	id, err := Of(cmd.Process.Pid)
	child := &Child{ID: id, exited: make(chan struct{})}
	go func() {
		child.err = cmd.Wait()
		close(child.exited)
	}()
	return child, err
}

// StartFresh starts the command that prepare makes, also when its program was written a moment ago: it may still be open
// in a child that another thread is about to turn into something else (golang/go#22315), so a busy text is tried again.
// A command that failed to start can't be started again, which is why prepare makes a new one.
func StartFresh(prepare func() *exec.Cmd) (*exec.Cmd, error) {
	for try := 0; ; try++ {
		cmd := prepare()
		err := cmd.Start()
		if !errors.Is(err, syscall.ETXTBSY) || try == 50 {
			return cmd, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Exited is closed when the process has ended.
func (c *Child) Exited() <-chan struct{} { return c.exited }

// ExitCode returns the exit code once Exited is closed; -1 for a process that a signal ended.
func (c *Child) ExitCode() int {
	var ee *exec.ExitError
	if errors.As(c.err, &ee) {
		return ee.ExitCode()
	}
	return 0
}

// ExitText says how the process ended, once Exited is closed.
func (c *Child) ExitText() string {
	var ee *exec.ExitError
	if errors.As(c.err, &ee) {
		return ee.ProcessState.String()
	}
	return "exit status 0"
}

// Tail returns the last lines of the file at path, at most n of them and at most 8 KiB.
func Tail(path string, n int) []string {
	const limit = 8 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > limit {
		_, _ = f.Seek(-limit, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, limit))
	text := strings.TrimRight(strings.ToValidUTF8(string(b), "?"), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-n):]
}
