package doctor_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
)

func platctl(t *testing.T, env []string, args ...string) (code int, out, conversation string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), args, &term.Streams{In: &bytes.Buffer{}, Out: &stdout, Err: &stderr}, env)
	return code, stdout.String(), stderr.String()
}

// A failed check is the answer no: the report is printed and the exit code is 3.
func TestNo(t *testing.T) {
	t.Parallel()
	env := []string{"PLATCTL_STATE_DIR=/proc/nowhere"}
	code, out, said := platctl(t, env, "doctor")
	if code != 3 || !strings.HasPrefix(out, "STATUS\tCHECK\tFOUND\tNEXT\n") || !strings.Contains(out, "\nfail\tstate_dir\t/proc can't be written") ||
		!strings.Contains(said, "checks failed") {
		t.Errorf("exit %d, %q, %q", code, out, said)
	}
	code, out, said = platctl(t, env, "doctor", "--json")
	var e struct {
		OK    bool
		Data  struct{ Failed int }
		Error struct {
			Kind string
			Exit int
		}
	}
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 3 || e.OK || e.Data.Failed < 1 || e.Error.Kind != "no" || e.Error.Exit != 3 || said != "" {
		t.Errorf("exit %d, %v, %s, %q", code, err, out, said)
	}
}

// A newcomer with a wrong configuration learns that from doctor too, together with the rest.
func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	code, out, _ := platctl(t, []string{"PLATCTL_LOG_LEVEL=loud"}, "doctor")
	if code != 3 || !strings.Contains(out, "fail\tconfiguration\t") || !strings.Contains(out, "\tgo\tgo1.") {
		t.Errorf("exit %d, %q", code, out)
	}
}

// A k6 of an older checkout answers, in another format: doctor must not promise what perf then refuses.
func TestK6IsJudgedLikePerfDoes(t *testing.T) {
	t.Parallel()
	old := filepath.Join(t.TempDir(), "k6")
	answer := `{"schema":"platctl.k6summary/v99","extension":"9.9.9"}`
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho '"+answer+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, out, _ := platctl(t, []string{"PLATCTL_PERF_K6=" + old}, "doctor")
	if !strings.Contains(out, "warn\tk6\tperf.k6 is "+old) {
		t.Errorf("%q", out)
	}
}
