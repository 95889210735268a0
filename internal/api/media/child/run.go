package child

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/base/fault"
)

// Failure is an end without a verdict about the picture: the machine may be to blame, so it is worth another try.
type Failure struct {
	Code   picture.Code // decode_timeout or decode_oom; empty: it crashed
	Detail string
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Code == "" {
		return "the picture's process crashed: " + f.Detail
	}
	return string(f.Code) + ": " + f.Detail
}

// Options is what a Runner is made of.
type Options struct {
	Dir    string // for results on their way; they have no name there, so nothing is left behind
	Limits Limits
	Slots  int // children at once
	Log    *slog.Logger
}

// Runner starts children. It is safe for concurrent use.
type Runner struct {
	o     Options
	slots chan struct{}
	warn  sync.Once
}

// New returns a Runner. Dir is made when it is not there.
func New(o Options) (*Runner, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Config, "the folder for pictures on their way can't be made")
	}
	return &Runner{o: o, slots: make(chan struct{}, max(o.Slots, 1))}, nil
}

// Output is what a child made. Close it.
type Output struct {
	Answer
	Files []*os.File // one for each of Answer.Made
}

// Close lets the files go; they had no name.
func (o *Output) Close() {
	for _, f := range o.Files {
		_ = f.Close()
	}
}

// Convert has a picture decoded. Its error is a *picture.Rejection, a *Failure, or one of ours.
func (r *Runner) Convert(ctx context.Context, in *os.File, declared string, sides []int) (*Output, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out := &Output{}
	for range sides {
		f, err := r.nameless()
		if err != nil {
			out.Close()
			return nil, fault.Op("make room for results", err)
		}
		out.Files = append(out.Files, f)
	}
	q := Request{Version: version, Declared: declared, Sides: slices.Clone(sides), Limits: r.o.Limits}
	var err error
	if out.Answer, err = r.ask(ctx, q, append([]*os.File{in}, out.Files...)); err == nil {
		err = out.keep()
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

// nameless returns a new file without a name.
func (r *Runner) nameless() (*os.File, error) {
	f, err := os.CreateTemp(r.o.Dir, "result-*")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// keep checks that the files hold what the answer says, and lets go of those that were not needed.
func (o *Output) keep() error {
	for _, f := range o.Files[len(o.Made):] {
		_ = f.Close()
	}
	o.Files = o.Files[:len(o.Made)]
	for i, m := range o.Made {
		st, err := o.Files[i].Stat()
		if err != nil {
			return fault.Op("look at a result", err)
		}
		if st.Size() != m.Bytes {
			return &Failure{Detail: fmt.Sprintf("it made %d bytes and says %d", st.Size(), m.Bytes)}
		}
	}
	return nil
}

// ask runs one child to its end.
func (r *Runner) ask(ctx context.Context, q Request, files []*os.File) (Answer, error) {
	wall, cancel := context.WithTimeout(ctx, q.Limits.Wall)
	defer cancel()
	request, err := json.Marshal(q)
	if err != nil {
		return Answer{}, fault.Op("ask the picture's process", err)
	}
	stdout, stderr := &bounded{max: maxMessage}, &bounded{max: 8 << 10}
	path, err := program()
	if err != nil {
		return Answer{}, fault.Op("find the picture's program", err)
	}
	cmd := exec.CommandContext(wall, path, Command)
	cmd.Args[0] = "platctl"
	cmd.Env = []string{"GOTRACEBACK=single"}
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = bytes.NewReader(request), stdout, stderr, files
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	runtime.LockOSThread() // the child dies with the thread that started it: that must not end before
	err = cmd.Run()
	runtime.UnlockOSThread()
	switch {
	case ctx.Err() != nil:
		return Answer{}, ctx.Err()
	case wall.Err() != nil:
		return Answer{}, &Failure{Code: picture.DecodeTimeout, Detail: fmt.Sprintf("it took more than %s", q.Limits.Wall)}
	case err != nil:
		return Answer{}, failure(err, cmd.ProcessState, q.Limits, stderr.String())
	}
	a, err := readAnswer(&stdout.buf, q)
	if err != nil {
		return a, &Failure{Detail: err.Error()}
	}
	if !slices.Contains(a.Confined, "seccomp") {
		r.warn.Do(func() {
			r.o.Log.WarnContext(ctx, "pictures are decoded without a filter of system calls; the limits hold", "confined", a.Confined)
		})
	}
	switch a.Code {
	case "":
		return a, nil
	case picture.DecodeTimeout:
		return a, &Failure{Code: a.Code, Detail: a.Detail}
	}
	return a, &picture.Rejection{Code: a.Code, Detail: a.Detail}
}

// failure reads the signs of a child that died.
func failure(err error, state *os.ProcessState, l Limits, text string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fault.Wrap(err, fault.Failed, "the picture's process can't be started")
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	killed := status.Signaled() && status.Signal() == syscall.SIGKILL
	switch {
	case killed && state.UserTime()+state.SystemTime() >= l.CPU:
		return &Failure{Code: picture.DecodeTimeout, Detail: fmt.Sprintf("it took more than %s to work on", l.CPU)}
	case killed, noMemory(text):
		return &Failure{Code: picture.DecodeOOM, Detail: "it takes more memory than a picture may"}
	}
	return &Failure{Detail: fmt.Sprintf("%s: %s", state, firstLines(text))}
}

// noMemory says whether a crash is what Go makes of a refused allocation: it says so, or its own collector works on with nil
// (Go 1.26), which is a fault on goroutine 0, where no code of a decoder runs.
func noMemory(text string) bool {
	return strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory") ||
		strings.HasPrefix(text, "SIGSEGV") && strings.Contains(text, "\ngoroutine 0 gp=")
}

// firstLines keeps the beginning of a crash: the reason stands before the stack.
func firstLines(text string) string {
	lines := strings.SplitN(strings.TrimSpace(text), "\n", 12)
	return strings.Join(lines[:min(len(lines), 11)], "; ")
}

// bounded keeps the first bytes that are written, and swallows the others.
type bounded struct {
	buf bytes.Buffer
	max int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	room := min(len(p), b.max-b.buf.Len())
	b.buf.Write(p[:room])
	return len(p), nil
}

func (b *bounded) String() string { return b.buf.String() }
