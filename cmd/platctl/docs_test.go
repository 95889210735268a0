package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/perf/perftest"
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
	runbooks, err := filepath.Glob("../../runbooks/*.md")
	if err != nil || len(runbooks) == 0 {
		t.Fatal("no runbooks", err)
	}
	for _, path := range append(append(pages, runbooks...), "../../README.md", "../../CONTRIBUTING.md") {
		p := parsePage(t, path)
		for _, line := range p.console {
			if cmd, ok := strings.CutPrefix(strings.TrimSpace(line), "platctl "); ok {
				checkCommandLine(t, path, cmd)
			}
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

// checkCommandLine fails when a page shows a command or a flag that platctl doesn't have.
func checkCommandLine(t *testing.T, path, line string) {
	t.Helper()
	root, _ := cli.NewRoot(&term.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, nil)
	cmd, args, err := root.Find(strings.Fields(line))
	if err != nil || cmd == root {
		t.Errorf("%s: there is no command %q: %v", path, line, err)
		return
	}
	for _, a := range args {
		if a == "--" {
			break // what follows is another program's
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if strings.HasPrefix(a, "--") && cmd.Flag(name) == nil {
			t.Errorf("%s: %q: %s has no flag --%s", path, line, cmd.CommandPath(), name)
		}
	}
}

func runPage(t *testing.T, p page) {
	t.Helper()
	dir := pgtest.Dir(t)
	env := append(os.Environ(), "K6="+perftest.K6(t, os.Getenv("PLATCTL_TEST_K6")), "PLATCTL_EDGE_LISTEN="+freeAddr(t),
		"PLATCTL_EDGE_ADMIN_LISTEN=", "PLATCTL_PERF_DIR="+filepath.Join(dir, "perf"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"),
		"GOCACHE="+goEnv(t, "GOCACHE"),
		"PATH="+filepath.Dir(platctl(t))+":"+os.Getenv("PATH"), "HOME="+dir, "PLATCTL_STATE_DIR="+filepath.Join(dir, "state"),
		"PLATCTL_LOCALPG_DIR="+filepath.Join(dir, "pg"), "PLATCTL_SERVER_ADMIN_LISTEN=127.0.0.1:0", "PLATCTL_SERVER_LISTEN=127.0.0.1:0",
		"PLATCTL_SERVER_DRAIN_DELAY=10ms", "REPO="+repoRoot(t))
	api, metrics := startServe(t, dir, env)
	env = append(env, "API="+api, "METRICS="+metrics)
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

// startServe runs `platctl serve --dev` until the end of the test and returns the addresses of the API and its metrics.
func startServe(t *testing.T, dir string, env []string) (api, metrics string) {
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
		rest, _ := io.ReadAll(out) // with --json the failure is here
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve ended with %v\n%s%s", err, &log, rest)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var res struct{ Data struct{ API, Metrics string } }
	if err == nil {
		err = json.Unmarshal(line, &res)
	}
	if err != nil || res.Data.API == "" {
		_ = cmd.Process.Kill()
		t.Fatalf("serve printed %s: %v", line, err)
	}
	return res.Data.API, res.Data.Metrics
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// freeAddr returns an address that nobody listens on now.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
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
