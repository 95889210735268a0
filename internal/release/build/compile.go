package build

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/release/plan"
)

// hermetic are the settings of the go command that would change the bytes if the user's own applied.
func hermetic(goos, goarch string) []string {
	return []string{"GOOS=" + goos, "GOARCH=" + goarch, "GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0"}
}

// compilation is one call of `go build`, without its output file.
type compilation struct {
	args []string // after "go"
	env  []string // what is set on top of the user's environment
	main string
}

func newCompilation(b plan.Build, v plan.Values) (compilation, error) {
	flags, err := v.ExpandAll(b.Flags)
	if err != nil {
		return compilation{}, err
	}
	ldflags, err := v.ExpandAll(b.LDFlags)
	if err != nil {
		return compilation{}, err
	}
	env, err := v.ExpandAll(b.Env)
	if err != nil {
		return compilation{}, err
	}
	args := append([]string{"build"}, flags...)
	if !slices.Contains(flags, "-trimpath") {
		args = append(args, "-trimpath") // without it the bytes hold the path of the checkout
	}
	if len(ldflags) > 0 {
		args = append(args, "-ldflags="+strings.Join(ldflags, " "))
	}
	return compilation{args: args, env: append(hermetic(v.OS, v.Arch), env...), main: b.Main}, nil
}

func (c compilation) command() []string { return append(append([]string{"go"}, c.args...), c.main) }

func (c compilation) run(ctx context.Context, root, out string) error {
	cmd := exec.CommandContext(ctx, "go", append(slices.Clone(c.args), "-o", out, c.main)...)
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), c.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go removes its work folder then
	cmd.WaitDelay = 10 * time.Second
	said, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return fault.New(fault.Unavailable, "the go command is not installed or not in PATH").
			WithHint("install Go, https://go.dev/doc/install; `platctl doctor` says which version")
	case err != nil:
		return fault.New(fault.Failed, "`go build %s` failed (%v); nothing was written\n%s", c.main, err, tail(said)).WithCode("compile").
			WithHint("correct what the compiler names, then run the same command again")
	}
	return nil
}

// tail keeps the end of a long output, where the compiler's own words stand.
func tail(out []byte) string {
	const most = 8 << 10
	s := strings.TrimSpace(string(out))
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return s
}
