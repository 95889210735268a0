// Package hash_worker is the hidden `platctl hash-worker`: the process in which the server has passwords hashed.
package hash_worker

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/account/argon"
	"github.com/platctl/platctl/internal/base/fault"
)

// New returns `platctl hash-worker`. Nobody types it: the server starts it and talks to it.
func New(d *command.Deps) *cobra.Command {
	cmd := command.New(command.Spec{
		Use:   argon.Command,
		Short: "Hash passwords for the server",
		Long:  "Reads passwords with salts and costs from standard input, and writes argon2id keys, until the input ends. It runs at low priority.",
		Example: `
			platctl hash-worker < request.json
			platctl hash-worker < requests.json > keys.json
			platctl hash-worker < request.json | jq -r .Key`,
		Result: command.NoResult{},
		Run: func(context.Context, *cobra.Command, []string) error {
			return fault.Op("hash passwords", argon.Serve(d.Streams.In, d.Streams.Out))
		},
	})
	cmd.Hidden = true
	return cmd
}
