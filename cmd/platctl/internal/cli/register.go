package cli

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/command/config"
	"github.com/platctl/platctl/cmd/platctl/internal/command/doctor"
	"github.com/platctl/platctl/cmd/platctl/internal/command/perf"
	"github.com/platctl/platctl/cmd/platctl/internal/command/release"
	"github.com/platctl/platctl/cmd/platctl/internal/command/sbom"
	"github.com/platctl/platctl/cmd/platctl/internal/command/serve"
	"github.com/platctl/platctl/cmd/platctl/internal/command/version"
)

// register hangs every command under root: one line a noun, in the order of the help.
func register(root *cobra.Command, d *command.Deps) {
	root.AddCommand(
		config.New(d),
		doctor.New(d),
		perf.New(d),
		release.New(d),
		sbom.New(d),
		serve.New(d),
		version.New(d),
	)
}
