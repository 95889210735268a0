package build_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/release/build"
	"github.com/platctl/platctl/internal/release/sbom"
)

const commitTime = "2026-03-04T05:06:07Z"

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@b", "GIT_AUTHOR_DATE="+commitTime, "GIT_COMMITTER_DATE="+commitTime)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// repository is a small program with a database, committed once.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".goreleaser.yaml"), fmt.Sprintf(`version: 2
project_name: market
builds:
  - main: ./cmd/app
    binary: app
    env: [CGO_ENABLED=0]
    goos: [%s]
    goarch: [%s]
    flags: [-buildvcs=false]
    ldflags: ["-s -w", "-X main.version={{.Version}}", "-X main.commit={{.Commit}}", "-X main.date={{.Date}}"]
archives:
  - files: [README.md]
`, runtime.GOOS, runtime.GOARCH))
	write(t, filepath.Join(dir, "go.mod"), "module example.com/market\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "README.md"), "a market\n")
	write(t, filepath.Join(dir, "cmd/app/main.go"), `package main

var version, commit, date string

func main() { println(version, commit, date) }
`)
	write(t, filepath.Join(dir, "db/migrations/0001_first.sql"), "-- +goose Up\n")
	write(t, filepath.Join(dir, "db/migrations/0012_last.sql"), "-- +goose Up\n")
	write(t, filepath.Join(dir, "db/migrations/embed.go"), "package migrations\n")
	contract, err := manifest.SQLContract{Statements: []manifest.Statement{{Name: "a", SQL: "SELECT 1"}, {Name: "b", SQL: "SELECT 2"}}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "db/sqlcontract.json"), string(contract))
	git(t, dir, "init", "-q")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "feat: a market")
	return dir
}

func options(root string) build.Options {
	return build.Options{Root: root, Dist: "dist", Version: "1.2.3", Contract: "db/sqlcontract.json", Migrations: "db/migrations",
		ConfigKeys: []string{"environment"}, SBOM: sbom.Options{Tool: "1.0.0"}}
}

func run(t *testing.T, o build.Options) (*build.Result, error) {
	t.Helper()
	job, err := build.Plan(t.Context(), o)
	if err != nil {
		return nil, err
	}
	return job.Run(t.Context())
}

func must(t *testing.T, o build.Options) *build.Result {
	t.Helper()
	r, err := run(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tree reads a folder: path to content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// onlyReleases fails when a build left anything in dist but releases.
func onlyReleases(t *testing.T, dist string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dist)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dist, got, want)
	}
}

// The promise of the package: the same commit gives the same bytes, in another folder too.
func TestSameCommitSameBytes(t *testing.T) {
	t.Parallel()
	first := repository(t)
	second := filepath.Join(t.TempDir(), "a-clone-elsewhere")
	git(t, first, "clone", "-q", first, second)
	git(t, second, "checkout", "-q", "-b", "another-branch")
	a, b := must(t, options(first)), must(t, options(second))
	left, right := tree(t, a.Dir), tree(t, b.Dir)
	for p := range left {
		if left[p] != right[p] {
			t.Errorf("%s differs between two builds of one commit", p)
		}
	}
	if len(left) != len(right) || len(left) != 6 {
		t.Errorf("%d and %d files, want 6", len(left), len(right))
	}
	again := must(t, options(first))
	if a.State != build.Built || again.State != build.AlreadyBuilt {
		t.Errorf("states %s, %s; want built, already_built", a.State, again.State)
	}
	onlyReleases(t, filepath.Join(first, "dist"), "1.2.3")
}

func TestManifestTellsTheFacts(t *testing.T) {
	t.Parallel()
	root := repository(t)
	o := options(root)
	o.Config = filepath.Join(root, "prod.yaml")
	o.MinSchema = 11
	write(t, o.Config, "environment: production\n")
	git(t, root, "add", "-A")
	git(t, root, "commit", "-qm", "feat: configuration")
	r := must(t, o)
	m, err := manifest.ReadDir(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.App != "market" || m.Version != "1.2.3" || m.Git.Dirty || m.Git.Time != commitTime || len(m.Git.SHA) != 40 || m.Git.Branch != "" {
		t.Errorf("%+v", m)
	}
	if want := []string{"bin/app", "serve", "--config", "config.yaml"}; !slices.Equal(m.Start.Command, want) {
		t.Errorf("start %q", m.Start.Command)
	}
	if want := (manifest.Database{BuiltFor: 12, Min: 11, Max: 12}); m.Database != want || m.Contract.Statements != 2 {
		t.Errorf("database %+v, contract %+v", m.Database, m.Contract)
	}
	if m.Built.Go != runtime.Version() || !slices.Contains(m.Built.Flags, "-trimpath") || !slices.Contains(m.Built.Flags, "CGO_ENABLED=0") {
		t.Errorf("built %+v", m.Built)
	}
	var kinds []string
	for _, a := range m.Artifacts {
		kinds = append(kinds, a.Kind)
		if info, err := os.Stat(filepath.Join(r.Dir, a.Path)); err != nil || info.Size() != a.Size {
			t.Errorf("%s: %v", a.Path, err)
		}
	}
	slices.Sort(kinds)
	if want := []string{"archive", "binary", "checksums", "config", "sbom"}; !slices.Equal(kinds, want) {
		t.Errorf("kinds %q", kinds)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(r.Dir, "bin/app")).CombinedOutput()
	if want := "1.2.3 " + m.Git.SHA + " " + commitTime + "\n"; err != nil || string(out) != want {
		t.Errorf("the binary says %q (%v), want %q", out, err, want)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "checksums.txt")
	check.Dir = r.Dir
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != 5 {
		t.Errorf("checksums: %v\n%s", err, out)
	}
	target, err := sbom.Find(r.Dir, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := sbom.Generate(t.Context(), target, o.SBOM)
	if err != nil || string(doc.Bytes) != tree(t, r.Dir)["sbom.cdx.json"] {
		t.Errorf("the SBOM of the release directory is not the one in it (%v)", err)
	}
}

func TestArchive(t *testing.T) {
	t.Parallel()
	r := must(t, options(repository(t)))
	f, err := os.Open(filepath.Join(r.Dir, fmt.Sprintf("market_1.2.3_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if !gz.ModTime.IsZero() || gz.Name != "" {
		t.Errorf("gzip header %+v", gz.Header)
	}
	var names []string
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s %o", h.Name, h.Mode))
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.UTC().Format(time.RFC3339) != commitTime {
			t.Errorf("header %+v", h)
		}
	}
	if want := []string{"README.md 644", "app 755"}; !slices.Equal(names, want) {
		t.Errorf("entries %q, want %q", names, want)
	}
}

func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	o := options(repository(t))
	o.Contract, o.Migrations = "no/such.json", "no/such/folder"
	r := must(t, o)
	m, err := manifest.ReadDir(r.Dir)
	if err != nil || m.Contract != nil || m.Database != (manifest.Database{}) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestAnotherContentIsRefusedUnlessReplaced(t *testing.T) {
	t.Parallel()
	root := repository(t)
	before := tree(t, must(t, options(root)).Dir)
	write(t, filepath.Join(root, "cmd/app/main.go"), "package main\n\nfunc main() { println(`second`) }\n")
	_, err := run(t, options(root))
	if !errors.Is(err, fault.Refused) || !strings.Contains(err.Error(), "bin/app") {
		t.Errorf("got %v, want a refusal that names the files", err)
	}
	if after := tree(t, filepath.Join(root, "dist/1.2.3")); after["bin/app"] != before["bin/app"] || len(after) != len(before) {
		t.Error("the refused build changed the release")
	}
	o := options(root)
	o.Replace = true
	r := must(t, o)
	if r.State != build.Replaced || !r.Git.Dirty || tree(t, r.Dir)["bin/app"] == before["bin/app"] {
		t.Errorf("state %s, dirty %t", r.State, r.Git.Dirty)
	}
	onlyReleases(t, filepath.Join(root, "dist"), "1.2.3")
}

func TestCompilerSpeaks(t *testing.T) {
	t.Parallel()
	root := repository(t)
	write(t, filepath.Join(root, "cmd/app/main.go"), "package main\n\nfunc main() { undefinedThing() }\n")
	_, err := run(t, options(root))
	if !errors.Is(err, fault.Failed) || !strings.Contains(err.Error(), "main.go:3:15: undefined: undefinedThing") {
		t.Errorf("got %v, want the compiler's own words", err)
	}
	onlyReleases(t, filepath.Join(root, "dist"))
}

// Whatever step an interruption meets, no release appears and nothing is left behind.
func TestInterruptedAtEveryStep(t *testing.T) {
	t.Parallel()
	root := repository(t)
	for _, at := range []string{"compile", "copy", "sbom", "archive", "checksums", "manifest"} {
		ctx, cancel := context.WithCancel(t.Context())
		o := options(root)
		reached := false
		o.Report = func(step, _ string) {
			if step == at {
				reached = true
				cancel()
			}
		}
		job, err := build.Plan(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := job.Run(ctx); fault.KindOf(err) != fault.Canceled || !reached {
			t.Errorf("interrupted at %s: %v", at, err)
		}
		onlyReleases(t, filepath.Join(root, "dist"))
		cancel()
	}
}

func TestWhatAKilledBuildLeft(t *testing.T) {
	t.Parallel()
	root := repository(t)
	child := exec.CommandContext(t.Context(), "true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	dead := fmt.Sprintf(".build-%d-1", child.Process.Pid)
	alive := fmt.Sprintf(".build-%d-1", os.Getppid())
	write(t, filepath.Join(root, "dist", dead, "bin/app"), "half")
	write(t, filepath.Join(root, "dist", alive, "bin/app"), "half")
	must(t, options(root))
	onlyReleases(t, filepath.Join(root, "dist"), alive, "1.2.3")
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	root := repository(t)
	states := make([]build.State, 2)
	var wg sync.WaitGroup
	for i := range states {
		wg.Go(func() {
			if r, err := run(t, options(root)); err != nil {
				t.Error(err)
			} else {
				states[i] = r.State
			}
		})
	}
	wg.Wait()
	slices.Sort(states)
	if !slices.Equal(states, []build.State{build.AlreadyBuilt, build.Built}) {
		t.Errorf("states %q", states)
	}
	onlyReleases(t, filepath.Join(root, "dist"), "1.2.3")
}

func TestPlanFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	root := repository(t)
	plain, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	noGit := t.TempDir()
	write(t, filepath.Join(noGit, ".goreleaser.yaml"), string(plain))
	other := repository(t)
	write(t, filepath.Join(other, ".goreleaser.yaml"), strings.Replace(string(plain), "["+runtime.GOOS+"]", "[plan9]", 1))
	lacking := repository(t)
	if err := os.Remove(filepath.Join(lacking, "README.md")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(o *build.Options)
		kind   fault.Kind
		says   string
	}{
		"a version with a v":     {func(o *build.Options) { o.Version = "v1.2.3" }, fault.Usage, "semantic"},
		"a path as version":      {func(o *build.Options) { o.Version = "../1.2.3" }, fault.Usage, "semantic"},
		"no description":         {func(o *build.Options) { o.Root = empty }, fault.Config, "goreleaser"},
		"no repository":          {func(o *build.Options) { o.Root = noGit }, fault.Config, "git repository"},
		"another machine":        {func(o *build.Options) { o.Root = other }, fault.Config, "does not build for"},
		"a file is gone":         {func(o *build.Options) { o.Root = lacking }, fault.Config, "README.md"},
		"no such configuration":  {func(o *build.Options) { o.Config = "/no/such.yaml" }, fault.Usage, "configuration"},
		"a broken contract":      {func(o *build.Options) { o.Contract = "README.md" }, fault.Config, "README.md"},
		"a schema of the future": {func(o *build.Options) { o.MinSchema = 13 }, fault.Config, "min_schema"},
	} {
		o := options(root)
		c.change(&o)
		if _, err := build.Plan(t.Context(), o); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	job, err := build.Plan(t.Context(), options(root))
	if err != nil || job.Result.State != build.Planned || job.Result.Database.Max != 12 {
		t.Errorf("%+v, %v", job, err)
	}
	onlyReleases(t, filepath.Join(root, "dist"))
}

// A machine without Go or git is told so. PATH belongs to the process, hence not in parallel.
func TestMissingTools(t *testing.T) {
	root := repository(t)
	gitPath, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir()
	t.Setenv("PATH", tools)
	if _, err := run(t, options(root)); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "git is not installed") {
		t.Errorf("without git: %v", err)
	}
	if err := os.Symlink(gitPath, filepath.Join(tools, "git")); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, options(root)); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "the go command") {
		t.Errorf("without go: %v", err)
	}
	onlyReleases(t, filepath.Join(root, "dist"))
}
