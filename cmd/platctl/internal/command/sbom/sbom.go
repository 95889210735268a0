// Package sbom is `platctl sbom`: bills of materials.
package sbom

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
)

// New returns `platctl sbom`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("sbom", "Write and read bills of materials", newGenerate(d))
}
