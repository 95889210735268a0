package doctor

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
)

func finds(what string) Finder { return func(context.Context) (string, error) { return what, nil } }

func lacks(context.Context) (string, error) {
	return "", fault.New(fault.Unavailable, "there is none").WithHint("get one")
}

func byName(checks []Check) map[string]Check {
	out := map[string]Check{}
	for _, c := range checks {
		out[c.Name] = c
	}
	return out
}

func TestRun(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	c := &config.Config{Environment: "test", StateDir: filepath.Join(dir, "not/yet"), Server: config.Server{Listen: l.Addr().String()},
		Edge: config.Edge{Listen: "127.0.0.1:0"}}
	checks := Run(t.Context(), Options{Config: c, Postgres: lacks, K6: lacks})
	got := byName(checks)
	for name, want := range map[string]Status{
		"go": OK, "git": OK, "configuration": OK, "k6": Warn, "postgresql": Fail, "state_dir": OK, "server.listen": Warn, "edge.listen": OK,
	} {
		if got[name].Status != want {
			t.Errorf("%s: %+v, want %s", name, got[name], want)
		}
	}
	if got["postgresql"].Next != "get one" || got["postgresql"].Found != "there is none" {
		t.Errorf("the finder's own words are lost: %+v", got["postgresql"])
	}
	if Failed(checks) != 1+failedDisk(got["disk"]) {
		t.Errorf("%d failed of %+v", Failed(checks), checks)
	}
	for _, c := range checks {
		if (c.Status == OK) != (c.Next == "") {
			t.Errorf("%+v: a next step stands exactly where something is wrong", c)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("it made %v", entries)
	}
	c.Database.URL = "postgres://db.example"
	if got := byName(Run(t.Context(), Options{Config: c, Postgres: lacks, K6: finds("k6")})); got["postgresql"].Status != Warn || got["k6"].Status != OK {
		t.Errorf("with a database elsewhere: %+v", got)
	}
}

func failedDisk(c Check) int {
	if c.Status == Fail {
		return 1
	}
	return 0
}

func TestWrongConfigurationStillChecksTheRest(t *testing.T) {
	t.Parallel()
	err := fault.New(fault.Config, "unknown key").WithHint("correct it")
	checks := Run(t.Context(), Options{ConfigErr: err, Postgres: lacks, K6: finds("k6")})
	got := byName(checks)
	if got["configuration"].Status != Fail || got["configuration"].Next != "correct it" || got["go"].Status != OK || len(checks) != 4 {
		t.Errorf("%+v", checks)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	if c := checkAddress("edge.listen", "203.0.113.1:80"); c.Status != Fail {
		t.Errorf("an address of another machine: %+v", c)
	}
	if c := checkServerAddress(&config.Config{Server: config.Server{Socket: "/run/x", Listen: "203.0.113.1:80"}}); c.Status != OK {
		t.Errorf("a socket: %+v", c)
	}
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if c := checkStateDir(dir); c.Status != OK {
		t.Errorf("a writable folder: %+v", c)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("the probe is left: %v", entries)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, filepath.Join(file, "below"), "/proc/platctl"} {
		if c := checkStateDir(bad); c.Status != Fail {
			t.Errorf("%s: %+v", bad, c)
		}
	}
}

func TestDisk(t *testing.T) {
	t.Parallel()
	for free, want := range map[uint64]Status{0: Fail, diskFail - 1: Fail, diskFail: Warn, diskWarn - 1: Warn, diskWarn: OK} {
		if c := judgeDisk("/x", free); c.Status != want {
			t.Errorf("%d bytes: %+v, want %s", free, c, want)
		}
	}
	if c := checkDisk(t.TempDir()); !regexp.MustCompile(`^\d+\.\d GB free in /`).MatchString(c.Found) {
		t.Errorf("%+v", c)
	}
}

// PATH belongs to the process, hence not in parallel.
func TestTools(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if a, b := checkGo(t.Context()), checkGit(t.Context()); a.Status != Fail || b.Status != Fail {
		t.Errorf("without tools: %+v %+v", a, b)
	}
	old := "#!/bin/sh\necho go1.25.9\n"
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(old), 0o755); err != nil {
		t.Fatal(err)
	}
	if c := checkGo(t.Context()); c.Status != Fail || c.Found != "go1.25.9, which is too old" {
		t.Errorf("an old Go: %+v", c)
	}
}

func TestMinGoIsTheOneOfGoMod(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(data)
	if m == nil || "go"+string(m[1]) != MinGo {
		t.Errorf("go.mod asks for %s, MinGo is %s", m[1], MinGo)
	}
}
