// Package perf is `platctl perf`: how fast the API is, measured with k6.
package perf

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
)

// New returns `platctl perf`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("perf", "Measure the API with k6", newBaseline(d))
}
