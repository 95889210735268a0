package auth

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/moderation"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
)

// RoleResult is the data of `platctl auth role --json`.
type RoleResult struct {
	Account session.Account `json:"account"` // as it was before
	DryRun  bool            `json:"dry_run"`
	Role    moderation.Role `json:"role"`    // as it is now; with --dry-run: as it would be
	Changed bool            `json:"changed"` // with --dry-run: would change
}

type roleOptions struct {
	Printer *output.Printer
	Streams *term.Streams

	Handle string
	Role   moderation.Role // empty: only look
	Why    string
	Yes    bool
	DryRun bool
}

func newRole(d *command.Deps) *cobra.Command {
	var o roleOptions
	cmd := command.New(command.Spec{
		Use:   "role <handle> [member|moderator|admin] [--why TEXT] [--yes] [--dry-run]",
		Short: "Show or set what an account may do to others",
		Long: "Without a role it shows the one that an account has. With one it gives it: moderators decide reports, remove what\n" +
			"members wrote and ban them; admins do that to everybody, and give roles. It counts from the account's next request.\n" +
			"The first admin of a community comes into being here. The last one can't be demoted, and who is banned can't be raised.",
		Example: `
			platctl auth role ana_orchard
			platctl auth role ana_orchard admin --why "runs the market"
			platctl auth role spam_bot_7 member --yes --json | jq .data.changed`,
		Exits:  []int{4, 6},
		Result: RoleResult{},
		Args:   cobra.RangeArgs(1, 2),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) (err error) {
			o.Printer, o.Streams, o.Handle = d.Printer(cmd), d.Streams, args[0]
			if len(args) == 2 {
				if o.Role, err = moderation.ParseRole(args[1]); err != nil {
					return err
				}
			} else if o.DryRun || o.Yes || o.Why != "" {
				return fault.New(fault.Usage, "no role was given").WithHint("name one: member, moderator or admin")
			}
			return with(ctx, d, func(k desk) error { return setRole(ctx, k, o) })
		},
	})
	actFlags(cmd, &o.Why, &o.Yes, &o.DryRun)
	return cmd
}

func setRole(ctx context.Context, k desk, o roleOptions) error {
	a, err := k.sessions.Find(ctx, o.Handle)
	if err != nil {
		return err
	}
	res := RoleResult{Account: a, DryRun: o.DryRun, Role: moderation.Role(a.Role)}
	if o.Role != "" {
		plan, err := k.moderation.Rehearsal().SetRole(ctx, k.operator, a.ID, o.Role, o.Why)
		if err != nil {
			return err
		}
		res.Role, res.Changed = plan.Role, plan.From != plan.Role
	}
	describe := func(w io.Writer) error {
		_, err := fmt.Fprintln(w, tellRole(res))
		return err
	}
	if o.DryRun || o.Role == "" {
		return o.Printer.Result(res, describe)
	}
	if !o.Yes {
		if err := describe(o.Streams.Err); err != nil {
			return err
		}
		if err := o.Streams.Confirm(ctx, "set the role?"); err != nil {
			return err
		}
	}
	done, err := k.moderation.SetRole(ctx, k.operator, a.ID, o.Role, o.Why)
	if err != nil {
		return err
	}
	res.Account.Role, res.Changed = string(done.From), done.From != done.Role
	return o.Printer.Result(res, describe)
}

func tellRole(res RoleResult) string {
	banned := ""
	if res.Account.BannedAt != nil {
		banned = ", and banned"
	}
	if !res.Changed {
		return fmt.Sprintf("%s is %s%s", res.Account.Handle, res.Role, banned)
	}
	return fmt.Sprintf("%s: %s -> %s%s", res.Account.Handle, res.Account.Role, res.Role, banned)
}
