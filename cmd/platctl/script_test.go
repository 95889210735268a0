package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/platctl/platctl/internal/base/localpg"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"platctl": main})
}

// TestScripts runs testdata/script/*.txtar: what people see, as text. Each script has a home and a state directory of its
// own, $STATE, in a place that the private PostgreSQL's user can reach, and its server is stopped at the end. With -update
// the expected output in the scripts is rewritten.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup:               setupScript,
	})
}

func setupScript(env *testscript.Env) error {
	base, err := os.MkdirTemp("/tmp", "platctl-script-")
	if err != nil {
		return err
	}
	state := filepath.Join(base, "state")
	env.Defer(func() {
		if _, err := localpg.Stop(context.Background(), localpg.Options{Dir: filepath.Join(state, "postgres")}); err != nil {
			env.T().Log("stop the script's PostgreSQL: ", err)
		}
		os.RemoveAll(base)
	})
	for _, dir := range []string{state, filepath.Join(base, "xdg"), filepath.Join(env.WorkDir, "home")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_STATE_HOME", filepath.Join(base, "xdg"))
	env.Setenv("PLATCTL_STATE_DIR", state)
	env.Setenv("STATE", state)
	return os.Chmod(base, 0o755)
}
