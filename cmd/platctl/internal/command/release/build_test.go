package release_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
)

func platctl(t *testing.T, args ...string) (code int, out, conversation string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), args, &term.Streams{In: &bytes.Buffer{}, Out: &stdout, Err: &stderr}, nil)
	return code, stdout.String(), stderr.String()
}

// enterRepository makes a repository with one commit and goes there: the command builds where it stands.
func enterRepository(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		".goreleaser.yaml": "version: 2\nproject_name: shop\nbuilds: [{main: ., flags: [-buildvcs=false], goos: [" + runtime.GOOS + "], goarch: [" + runtime.GOARCH + "]}]\n",
		"go.mod":           "module example.com/shop\n\ngo 1.26\n",
		"main.go":          "package main\n\nfunc main() {}\n",
		"good.yaml":        "environment: staging\n",
		"bad.yaml":         "environmnt: staging\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "feat: shop"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	t.Chdir(dir)
}

func TestBuild(t *testing.T) {
	enterRepository(t)
	code, out, said := platctl(t, "release", "build", "--version", "1.0.0", "--with-config", "good.yaml", "--dry-run")
	if code != 0 || said != "" || !strings.Contains(out, "start: bin/shop serve --config config.yaml\n") {
		t.Errorf("dry run: exit %d, %q, %q", code, out, said)
	}
	if _, err := os.Stat("dist"); err == nil {
		t.Error("a dry run made dist")
	}
	code, out, said = platctl(t, "release", "build", "--version", "1.0.0", "--with-config", "good.yaml", "--dist", "out")
	if code != 0 || !strings.HasPrefix(out, "built: out/1.0.0 1.0.0, commit ") || !strings.HasPrefix(said, "platctl: compile\n") {
		t.Errorf("build: exit %d, %q, %q", code, out, said)
	}
	if code, out, _ = platctl(t, "release", "build", "--version", "1.0.0", "--with-config", "good.yaml", "--dist", "out", "--json"); code != 0 ||
		!strings.Contains(out, `"schema":"platctl.release.build/v1","ok":true,"data":{"state":"already_built"`) {
		t.Errorf("again: exit %d, %q", code, out)
	}
	if code, _, said = platctl(t, "release", "build", "--version", "1.0.0", "--dist", "out"); code != 4 || !strings.Contains(said, "--replace") {
		t.Errorf("other content: exit %d, %q", code, said)
	}
	if code, out, _ = platctl(t, "release", "build", "--version", "1.0.0", "--dist", "out", "--replace"); code != 0 || !strings.HasPrefix(out, "replaced: ") {
		t.Errorf("replace: exit %d, %q", code, out)
	}
}

func TestBuildRefuses(t *testing.T) {
	enterRepository(t)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no version":               {nil, "version"},
		"a version with v":         {[]string{"--version", "v1.0.0"}, "without the v: 1.0.0"},
		"an unknown key in config": {[]string{"--version", "1.0.0", "--with-config", "bad.yaml"}, "environmnt"},
		"an argument":              {[]string{"--version", "1.0.0", "extra"}, "extra"},
	} {
		if code, out, said := platctl(t, append([]string{"release", "build"}, c.args...)...); code != 2 || out != "" || !strings.Contains(said, c.says) {
			t.Errorf("%s: exit %d, %q, %q", name, code, out, said)
		}
	}
}
