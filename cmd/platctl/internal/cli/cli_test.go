package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
)

func run(ctx context.Context, env []string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Run(ctx, args, &term.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, env)
	return code, out.String(), errs.String()
}

// How a command was typed is exit 2 with a hint, and with --json an envelope on stdout and nothing on stderr.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"serv", "version extra", "version --nope", "serve --dev=maybe", "config show --config", "sbom generate", "deploy a b",
	} {
		args := strings.Fields(line)
		code, stdout, stderr := run(t.Context(), nil, args...)
		if code != 2 || stdout != "" || !strings.HasPrefix(stderr, "platctl: ") || !strings.Contains(stderr, "\n  next: ") {
			t.Errorf("%s: %d\n%s%s", line, code, stdout, stderr)
		}
		for _, args := range [][]string{append([]string{"--json"}, args...), append(args, "--json")} {
			if line == "config show --config" && args[0] != "--json" { // the file's name is --json
				continue
			}
			code, stdout, stderr = run(t.Context(), nil, args...)
			var e struct {
				Schema string
				OK     bool
				Error  struct {
					Kind string
					Exit int
				}
			}
			if err := json.Unmarshal([]byte(stdout), &e); err != nil || code != 2 || e.OK || e.Error.Kind != "usage" || e.Error.Exit != 2 ||
				!strings.HasPrefix(e.Schema, "platctl") || stderr != "" {
				t.Errorf("%q: %d %v\n%s%s", args, code, err, stdout, stderr)
			}
		}
	}
}

// Without arguments it is the help, and that is no error.
func TestNoArguments(t *testing.T) {
	t.Parallel()
	if code, stdout, _ := run(t.Context(), nil); code != 0 || !strings.Contains(stdout, "Available Commands") {
		t.Errorf("%d\n%s", code, stdout)
	}
}

// A flag beats its environment variable, for the command it stands on.
func TestFlagSetsKey(t *testing.T) {
	t.Parallel()
	env := []string{"PLATCTL_SERVER_LISTEN=h:1", "PLATCTL_STATE_DIR=/nowhere"}
	code, _, stderr := run(t.Context(), env, "serve", "--listen", "nohost")
	if code != 2 || !strings.Contains(stderr, `server.listen: "nohost"`) {
		t.Errorf("%d %s", code, stderr)
	}
}
