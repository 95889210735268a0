package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// A page is a Markdown file. Its ```sh blocks are one shell script that really runs, with platctl on PATH and a server at
// $API; a line "# → text" must appear in the output, in order. Its ```console blocks are for people, and a make target that
// they name must exist.
type page struct {
	script  string
	expect  []string
	console []string
}

var makeTarget = regexp.MustCompile(`make ([a-z0-9-]+)`)

func parsePage(t *testing.T, path string) page {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var p page
	var script strings.Builder
	block := ""
	for line := range strings.Lines(string(data)) {
		switch fence := strings.TrimSpace(line); {
		case strings.HasPrefix(fence, "```") && block == "":
			block = strings.TrimPrefix(fence, "```") + " "
		case fence == "```":
			block = ""
		case block == "sh ":
			script.WriteString(line)
			if want, ok := strings.CutPrefix(strings.TrimSpace(line), "# → "); ok {
				p.expect = append(p.expect, want)
			}
		case block == "console ":
			p.console = append(p.console, line)
		}
	}
	p.script = script.String()
	return p
}

// Every page says only what works.
func TestDocumentationRuns(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(pages, "../../README.md", "../../CONTRIBUTING.md") {
		p := parsePage(t, path)
		for _, line := range p.console {
			for _, m := range makeTarget.FindAllStringSubmatch(line, -1) {
				if !bytes.Contains(makefile, []byte("\n"+m[1]+":")) {
					t.Errorf("%s: there is no target for %q", path, m[0])
				}
			}
		}
		if p.script == "" {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			runPage(t, p)
		})
	}
}

func runPage(t *testing.T, p page) {
	t.Helper()
	dir := pgtest.Dir(t)
	env := append(os.Environ(),
		"PATH="+filepath.Dir(platctl(t))+":"+os.Getenv("PATH"), "HOME="+dir, "PLATCTL_STATE_DIR="+filepath.Join(dir, "state"),
		"PLATCTL_LOCALPG_DIR="+filepath.Join(dir, "pg"), "PLATCTL_SERVER_ADMIN_LISTEN=127.0.0.1:0", "PLATCTL_SERVER_LISTEN=127.0.0.1:0",
		"PLATCTL_SERVER_DRAIN_DELAY=10ms", "REPO="+repoRoot(t))
	env = append(env, "API="+startServe(t, dir, env))
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", p.script)
	cmd.Env, cmd.Dir = env, dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rest := string(out)
	for _, want := range p.expect {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("the page promises %q; from there on the output is\n%s\n(all of it)\n%s", want, rest, out)
		}
		rest = after
	}
}

// startServe runs `platctl serve --dev` until the end of the test and returns the API's address.
func startServe(t *testing.T, dir string, env []string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), platctl(t), "serve", "--dev", "--json")
	cmd.Env, cmd.Dir = env, dir
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve ended with %v\n%s", err, &log)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var res struct{ Data struct{ API string } }
	if err == nil {
		err = json.Unmarshal(line, &res)
	}
	if err != nil || res.Data.API == "" {
		_ = cmd.Process.Kill()
		t.Fatalf("serve printed %s: %v", line, err)
	}
	return res.Data.API
}

func repoRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// binary is platctl, built once for all tests of this package.
type binary struct {
	once sync.Once
	path string
	err  error
	out  []byte
}

func (b *binary) build(dir string) {
	b.path = filepath.Join(dir, "platctl")
	b.out, b.err = exec.Command("go", "build", "-ldflags", "-s -w", "-o", b.path, ".").CombinedOutput()
}

var built binary

// platctl returns the path of a freshly built platctl, readable by every user.
func platctl(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "platctl-bin-")
		if err != nil {
			built.err = err
			return
		}
		if built.err = os.Chmod(dir, 0o755); built.err == nil {
			built.build(dir)
		}
	})
	if built.err != nil {
		t.Fatalf("go build: %v\n%s", built.err, built.out)
	}
	return built.path
}
