package cli

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/command/config"
	"github.com/platctl/platctl/cmd/platctl/internal/command/deploy"
	"github.com/platctl/platctl/cmd/platctl/internal/command/edge"
	"github.com/platctl/platctl/cmd/platctl/internal/command/history"
	"github.com/platctl/platctl/cmd/platctl/internal/command/rollback"
	"github.com/platctl/platctl/cmd/platctl/internal/command/status"
	"github.com/platctl/platctl/cmd/platctl/internal/command/version"
)

// register hangs every command under root: one line a noun, in the order of the help.
func register(root *cobra.Command, d *command.Deps) {
	root.AddCommand(
		config.New(d),
		edge.New(d),
		deploy.New(d),
		rollback.New(d),
		status.New(d),
		history.New(d),
		version.New(d),
	)
}
