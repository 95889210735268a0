package build

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
)

// readGit names the sources in root. The branch is left out: it is where somebody worked, not what was built, and would
// make two builds of one commit differ. Files in dist don't make the tree dirty.
func readGit(ctx context.Context, root, dist string) (manifest.Git, error) {
	sha, err := git(ctx, root, "rev-parse", "--verify", "HEAD")
	if err != nil {
		return manifest.Git{}, err
	}
	stamp, err := git(ctx, root, "show", "-s", "--format=%cI", "HEAD")
	if err != nil {
		return manifest.Git{}, err
	}
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return manifest.Git{}, fault.Wrap(err, fault.Failed, "the commit time of %s", sha)
	}
	args := []string{"status", "--porcelain", "--", "."}
	if rel, err := filepath.Rel(root, dist); err == nil && filepath.IsLocal(rel) && rel != "." {
		args = append(args, ":(exclude,top)"+filepath.ToSlash(rel))
	}
	changes, err := git(ctx, root, args...)
	if err != nil {
		return manifest.Git{}, err
	}
	return manifest.Git{SHA: sha, Dirty: changes != "", Time: at.UTC().Format(time.RFC3339)}, nil
}

func git(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", fault.New(fault.Unavailable, "git is not installed; a release is named after its commit").
			WithHint("install git, for example with `apt-get install git`")
	case err != nil:
		var exit *exec.ExitError
		said := err.Error()
		if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			said, _, _ = strings.Cut(string(exit.Stderr), "\n")
		}
		return "", fault.New(fault.Config, "%s is not a git repository with a commit: %s", root, said).
			WithHint("run platctl at the root of the repository; the first release needs a first commit")
	}
	return strings.TrimSpace(string(out)), nil
}
