package doctor

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
)

// findK6 looks for a k6 that has our extension: the one that perf.k6 names, else one beside platctl, else in PATH.
func findK6(ctx context.Context, c *config.Config) (string, error) {
	var paths []string
	if c != nil && c.Perf.K6 != "" {
		paths = []string{c.Perf.K6}
	} else {
		if self, err := os.Executable(); err == nil {
			paths = append(paths, filepath.Join(filepath.Dir(self), "k6"))
		}
		if p, err := exec.LookPath("k6"); err == nil {
			paths = append(paths, p)
		}
	}
	for _, p := range paths {
		if hasExtension(ctx, p) {
			return p, nil
		}
	}
	return "", fault.New(fault.Unavailable, "no k6 with platctl's extension").
		WithHint("`make k6` builds it; only `platctl perf` needs it")
}

// hasExtension asks k6 itself: only ours has the subcommand.
func hasExtension(ctx context.Context, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "x", "platctl", "version", "--json")
	// Without these k6 reports its use and fetches a catalogue of extensions.
	cmd.Env = append(cmd.Environ(), "K6_NO_USAGE_REPORT=true", "K6_AUTO_EXTENSION_RESOLUTION=false")
	return cmd.Run() == nil
}
