package auth

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
)

// RevokeResult is the data of `platctl auth revoke --json`.
type RevokeResult struct {
	Account session.Account `json:"account"`
	DryRun  bool            `json:"dry_run"`
	Session int64           `json:"session,omitempty"` // 0: all of them
	Ended   int             `json:"ended"`             // with --dry-run: what would end, counted up to 100
}

type revokeOptions struct {
	Printer *output.Printer
	Streams *term.Streams

	Handle  string
	Session int64
	Yes     bool
	DryRun  bool
}

func newRevoke(d *command.Deps) *cobra.Command {
	var o revokeOptions
	cmd := command.New(command.Spec{
		Use:   "revoke <handle> [--session NUMBER] [--yes] [--dry-run]",
		Short: "End the sessions of an account",
		Long: "Ends every session of an account, or the one named. Every server refuses its tokens within a second. The account can\n" +
			"log in again: to keep somebody out, use `platctl auth ban`.",
		Example: `
			platctl auth revoke ana_orchard
			platctl auth revoke ana_orchard --session 42 --dry-run
			platctl auth revoke ana_orchard --yes --json | jq .data.ended`,
		Exits:  []int{4, 6},
		Result: RevokeResult{},
		Args:   cobra.ExactArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			o.Printer, o.Streams, o.Handle = d.Printer(cmd), d.Streams, args[0]
			if cmd.Flags().Changed("session") && o.Session < 1 {
				return fault.New(fault.Usage, "--session %d is not the number of a session", o.Session).
					WithHint("`platctl auth sessions %s` lists them", o.Handle)
			}
			return with(ctx, d, func(k desk) error { return revoke(ctx, k, o) })
		},
	})
	cmd.Flags().Int64Var(&o.Session, "session", 0, "end only this session, by its number in `platctl auth sessions`")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would end; change nothing")
	return cmd
}

func revoke(ctx context.Context, k desk, o revokeOptions) error {
	plan, err := k.look(ctx, o.Handle)
	if err != nil {
		return err
	}
	if o.Session != 0 {
		plan.Sessions, _, err = k.sessions.List(ctx, plan.Account.ID, o.Session+1, 1)
		if err == nil && (len(plan.Sessions) == 0 || plan.Sessions[0].ID != o.Session) {
			err = notLive(o.Session, o.Handle)
		}
		if err != nil {
			return err
		}
	}
	res := RevokeResult{Account: plan.Account, DryRun: o.DryRun, Session: o.Session, Ended: len(plan.Sessions)}
	if o.DryRun {
		return o.Printer.Result(res, func(w io.Writer) error { return printSessions(o.Printer, w, plan) })
	}
	if !o.Yes {
		if err := printSessions(o.Printer, o.Streams.Err, plan); err != nil {
			return err
		}
		if err := o.Streams.Confirm(ctx, "end these sessions?"); err != nil {
			return err
		}
	}
	if res.Ended, err = end(ctx, k, plan.Account, o.Session); err != nil {
		return err
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%d sessions of %s have ended\n", res.Ended, res.Account.Handle)
		return err
	})
}

func end(ctx context.Context, k desk, a session.Account, id int64) (int, error) {
	if id == 0 {
		return k.sessions.RevokeAll(ctx, a.ID, 0, session.Operator)
	}
	found, err := k.sessions.Revoke(ctx, a.ID, id, session.Operator)
	if err == nil && !found {
		return 0, notLive(id, a.Handle)
	}
	return 1, err
}

func notLive(id int64, handle string) error {
	return fault.New(fault.NotFound, "session %d is not a live one of this account; nothing was done", id).
		WithHint("`platctl auth sessions %s` lists the live ones", handle)
}
