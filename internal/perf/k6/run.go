package k6

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
)

// killAfter is how long k6 may take to stop after SIGINT. It stops its virtual users at once; a second one is SIGKILL.
const killAfter = 10 * time.Second

// Run is one execution of a script.
type Run struct {
	Script   []byte
	Env      map[string]string // the script's parameters, __ENV
	Progress func(Progress)    // may be nil; called once a second, from another goroutine
}

// Progress is how far the measurement is.
type Progress struct {
	Requests int64 `json:"requests"` // measured so far
	Failed   int64 `json:"failed"`
}

// Run executes the script and returns its summary. k6's own thresholds and end-of-test summary are off: they keep every
// sample in memory, and the verdict is not k6's to give.
func (b *Binary) Run(ctx context.Context, r Run) (*Summary, error) {
	dir, err := os.MkdirTemp("", "platctl-k6-")
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "k6 needs a temporary folder")
	}
	defer os.RemoveAll(dir)
	script, out := filepath.Join(dir, "script.js"), filepath.Join(dir, "summary.json")
	if err := os.WriteFile(script, r.Script, 0o600); err != nil {
		return nil, fault.Wrap(err, fault.Failed, "the script can't be written")
	}
	log, err := b.execute(ctx, dir, arguments(script, out, r.Env), r.Progress)
	if ctx.Err() != nil {
		return nil, fault.Wrap(context.Cause(ctx), fault.Canceled, "interrupted; nothing was stored")
	}
	if err != nil {
		return nil, explain(err, log)
	}
	data, err := durable.ReadFile(out, maxSummary)
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "k6 ended well but left no summary%s", log.said())
	}
	return ParseSummary(data)
}

// maxSummary is far beyond any summary: histograms are packed, an endpoint takes a few kilobytes.
const maxSummary = 64 << 20

func arguments(script, out string, env map[string]string) []string {
	args := []string{
		"run", "--quiet", "--no-color", "--log-format", "json", "--no-usage-report", "--summary-mode", "disabled", "--no-thresholds",
		"--include-system-env-vars=false", "--out", "platctl=" + out,
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		args = append(args, "--env", name+"="+env[name])
	}
	return append(args, script)
}

// execute runs k6 and reads its conversation. The thread is locked because the kernel ties "die with the parent" to the
// thread that started the child.
func (b *Binary) execute(ctx context.Context, home string, args []string, progress func(Progress)) (*conversation, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, b.Path, args...)
	cmd.Env = append(environment(home), "PLATCTL_PROGRESS=1")
	cmd.Dir = home
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = killAfter
	cmd.SysProcAttr = alone()
	log := &conversation{progress: progress}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return log, err
	}
	if err := cmd.Start(); err != nil {
		return log, err
	}
	log.read(pipe)
	return log, cmd.Wait()
}

// conversation keeps what k6 said that matters for an error message.
type conversation struct {
	progress func(Progress)
	errors   []string
}

const keptErrors = 5

func (c *conversation) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for lines.Scan() {
		c.line(lines.Bytes())
	}
	_, _ = io.Copy(io.Discard, r) // a longer line than any log has: never let k6 wait for a reader
}

func (c *conversation) line(b []byte) {
	var entry struct {
		Level      string `json:"level"`
		Msg        string `json:"msg"`
		IsProgress bool   `json:"platctl_progress"`
		Progress
	}
	if json.Unmarshal(b, &entry) != nil {
		entry.Level, entry.Msg = "error", string(b) // a panic, or the loader of the system
	}
	switch {
	case entry.IsProgress && c.progress != nil:
		c.progress(entry.Progress)
	case entry.Level == "error" || entry.Level == "fatal" || entry.Level == "panic":
		if len(c.errors) < keptErrors {
			msg, _, _ := strings.Cut(strings.TrimSpace(entry.Msg), "\n") // the rest is the script's stack
			c.errors = append(c.errors, strings.TrimPrefix(msg, "GoError: "))
		}
	}
}

// said returns what k6 said first about its failure, for the end of a message: later lines are consequences.
func (c *conversation) said() string {
	if len(c.errors) == 0 {
		return ""
	}
	return fmt.Sprintf("; k6 says: %.600s", c.errors[0])
}

// explain turns k6's exit code into a failure. The codes are those of k6's errext/exitcodes.
func explain(err error, log *conversation) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fault.Wrap(err, fault.Failed, "k6 could not run")
	}
	said := log.said()
	switch code := exit.ExitCode(); code {
	case 100, 101:
		return fault.New(fault.Failed, "setup took too long: the target is too slow to sign up the users%s", said).
			WithHint("take fewer with --users")
	case 104:
		return fault.New(fault.Usage, "k6 refused the plan%s", said)
	case 105:
		return fault.New(fault.Canceled, "k6 was interrupted; nothing was stored")
	case 107, 108:
		return fault.New(fault.Failed, "the scenario could not run against the target%s", said)
	case -1:
		return fault.New(fault.Failed, "k6 was killed (%s); nothing was stored%s", exit.ProcessState, said).
			WithHint("a lower --rate needs less memory")
	default:
		return fault.New(fault.Failed, "k6 failed with exit code %d%s", code, said)
	}
}
