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
)

// BanResult is the data of `platctl auth ban --json` and `platctl auth unban --json`.
type BanResult struct {
	Account session.Account `json:"account"` // as it was before
	DryRun  bool            `json:"dry_run"`
	Changed bool            `json:"changed"` // with --dry-run: would change
	Ended   int             `json:"ended"`   // sessions
	Settled int64           `json:"settled"` // open reports about the account
}

type banOptions struct {
	Printer *output.Printer
	Streams *term.Streams

	Handle string
	Banned bool
	Why    string
	Yes    bool
	DryRun bool
}

func newBan(d *command.Deps) *cobra.Command {
	o := banOptions{Banned: true}
	cmd := command.New(command.Spec{
		Use:   "ban <handle> [--why TEXT] [--yes] [--dry-run]",
		Short: "Keep an account out",
		Long: "Ends every session of an account, refuses its logins with 403 banned and settles the open reports about it. What it\n" +
			"wrote stays; others no longer see it, nor the person. The moderation log keeps who did it and why. Banning twice is\n" +
			"banning once, and the last admin can't be banned. `platctl auth unban` takes it back.",
		Example: `
			platctl auth ban spam_bot_7
			platctl auth ban spam_bot_7 --why "sells followers" --dry-run
			platctl auth ban spam_bot_7 --yes --json | jq .data.ended`,
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

func banFlags(cmd *cobra.Command, o *banOptions) {
	actFlags(cmd, &o.Why, &o.Yes, &o.DryRun)
}

// actFlags are the flags of whatever stands in the moderation log afterwards.
func actFlags(cmd *cobra.Command, why *string, yes, dryRun *bool) {
	cmd.Flags().StringVar(why, "why", "", "the reason, for the moderation log")
	cmd.Flags().BoolVar(yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "show what would change; change nothing")
}

func runBan(ctx context.Context, d *command.Deps, cmd *cobra.Command, handle string, o banOptions) error {
	o.Printer, o.Streams, o.Handle = d.Printer(cmd), d.Streams, handle
	return with(ctx, d, func(k desk) error { return setBanned(ctx, k, o) })
}

func setBanned(ctx context.Context, k desk, o banOptions) error {
	a, err := k.sessions.Find(ctx, o.Handle)
	if err != nil {
		return err
	}
	act := func(m *moderation.Service) (moderation.Ban, error) { return m.Unban(ctx, k.operator, a.ID, o.Why) }
	if o.Banned {
		act = func(m *moderation.Service) (moderation.Ban, error) { return m.Ban(ctx, k.operator, a.ID, o.Why) }
	}
	plan, err := act(k.moderation.Rehearsal())
	if err != nil {
		return err
	}
	res := BanResult{Account: a, DryRun: o.DryRun, Changed: plan.Changed, Ended: plan.Sessions, Settled: plan.Settled}
	verb := map[bool]string{true: "ban", false: "unban"}[o.Banned]
	describe := func(w io.Writer) error {
		_, err := fmt.Fprintln(w, tell(verb, res))
		return err
	}
	if o.DryRun {
		return o.Printer.Result(res, describe)
	}
	if !o.Yes {
		if err := describe(o.Streams.Err); err != nil {
			return err
		}
		if err := o.Streams.Confirm(ctx, verb+"?"); err != nil {
			return err
		}
	}
	done, err := act(k.moderation)
	if err != nil {
		return err
	}
	res.Changed, res.Ended, res.Settled = done.Changed, done.Sessions, done.Settled
	return o.Printer.Result(res, describe)
}

func tell(verb string, res BanResult) string {
	if !res.Changed {
		return fmt.Sprintf("%s %s: nothing to change", verb, res.Account.Handle)
	}
	if verb == "unban" {
		return fmt.Sprintf("unban %s: can log in again", res.Account.Handle)
	}
	if res.Settled > 0 {
		return fmt.Sprintf("%s %s: %d sessions end, %d reports are settled", verb, res.Account.Handle, res.Ended, res.Settled)
	}
	return fmt.Sprintf("%s %s: %d sessions end", verb, res.Account.Handle, res.Ended)
}
