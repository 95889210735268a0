// Package mail is `platctl mail`: whether people can be written to.
package mail

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
)

// New returns `platctl mail`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("mail", "Try the mail server", newTest(d))
}
