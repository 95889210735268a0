package doctor

import (
	"context"
	"go/version"
	"os/exec"
	"strings"

	"github.com/platctl/platctl/internal/base/config"
)

// MinGo is the oldest Go that builds platctl: the go line of go.mod.
const MinGo = "go1.26.3"

func checkGo(ctx context.Context) Check {
	const name, next = "go", "install Go " + MinGo + " or newer: https://go.dev/doc/install"
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Env = append(cmd.Environ(), "GOTOOLCHAIN=local") // the version that is here, not one it would download
	out, err := cmd.Output()
	if err != nil {
		return Check{Name: name, Status: Fail, Found: "no go command in PATH that works", Next: next}
	}
	got := strings.TrimSpace(string(out))
	if version.Compare(got, MinGo) < 0 {
		return Check{Name: name, Status: Fail, Found: got + ", which is too old", Next: next}
	}
	return Check{Name: name, Status: OK, Found: got}
}

func checkGit(ctx context.Context) Check {
	out, err := exec.CommandContext(ctx, "git", "--version").Output()
	if err != nil {
		return Check{Name: "git", Status: Fail, Found: "no git command in PATH that works",
			Next: "install it, for example with `apt-get install git`; a release is named after its commit"}
	}
	return Check{Name: "git", Status: OK, Found: strings.TrimPrefix(strings.TrimSpace(string(out)), "git version ")}
}

func checkPostgres(ctx context.Context, c *config.Config, find Finder) Check {
	found, err := find(ctx)
	switch {
	case err == nil:
		return Check{Name: "postgresql", Status: OK, Found: found}
	case c.Database.URL != "":
		return problem("postgresql", Warn, err, "serve uses database.url and needs none here; the tests do")
	}
	return problem("postgresql", Fail, err, "install PostgreSQL 15 or newer, or set database.url")
}

func checkK6(ctx context.Context, find Finder) Check {
	found, err := find(ctx)
	if err != nil {
		return problem("k6", Warn, err, "`make k6` builds it; only `platctl perf` needs it")
	}
	return Check{Name: "k6", Status: OK, Found: found}
}
