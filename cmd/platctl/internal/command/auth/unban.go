package auth

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
)

func newUnban(d *command.Deps) *cobra.Command {
	var o banOptions
	cmd := command.New(command.Spec{
		Use:   "unban <handle> [--why TEXT] [--yes] [--dry-run]",
		Short: "Let a banned account in again",
		Long:  "Lifts a ban: the account can log in again and others see the person. Sessions that the ban ended stay ended.",
		Example: `
			platctl auth unban ana_orchard
			platctl auth unban ana_orchard --dry-run
			platctl auth unban ana_orchard --yes --json | jq .data.changed`,
		Exits:  []int{4, 6},
		Result: BanResult{},
		Args:   cobra.ExactArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			return runBan(ctx, d, cmd, args[0], o)
		},
	})
	banFlags(cmd, &o)
	return cmd
}
