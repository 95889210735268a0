// Package version is `platctl version`.
package version

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/base/build"
)

// New returns `platctl version`. It touches neither configuration nor network.
func New(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "version",
		Short: "Print which platctl this is",
		Long:  "Prints version, commit and the Go that compiled it. Reads no configuration.",
		Example: `
			platctl version
			platctl version --json
			platctl version --json | jq -r .data.version`,
		Result: build.Info{},
		Run: func(_ context.Context, cmd *cobra.Command, _ []string) error {
			return d.Printer(cmd).Result(d.Build, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "platctl %s %s %s/%s %s\n",
					d.Build.Version, short(d.Build.Commit), d.Build.OS, d.Build.Arch, d.Build.Go)
				return err
			})
		},
	})
}

func short(commit string) string {
	if commit == "" {
		return "unknown-commit"
	}
	return commit[:min(len(commit), 12)]
}
