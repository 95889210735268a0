// Package release is `platctl release`: artefacts, from the sources to what is published. What runs on a host is
// `platctl deploy`'s.
package release

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
)

// New returns `platctl release`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("release", "Make releases", newBuild(d))
}
