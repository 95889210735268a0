// Package config is `platctl config`: what is set, and where it came from.
package config

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
)

// New returns `platctl config`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("config", "Show and check the configuration", newShow(d), newCheck(d))
}
