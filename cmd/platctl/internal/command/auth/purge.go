package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/purge"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
)

// PurgeResult is the data of `platctl auth purge --json`.
type PurgeResult struct {
	Account session.Account `json:"account"` // as it was before
	DryRun  bool            `json:"dry_run"`
	Counts  []purge.Count   `json:"counts"` // what it had
	Ended   int             `json:"ended"`  // sessions
	Rows    int64           `json:"rows"`   // that went, or lost a name
	Kept    bool            `json:"kept"`   // as a handle with its ban; with --dry-run: would be
}

type purgeOptions struct {
	Printer *output.Printer
	Streams *term.Streams

	Handle string
	Yes    bool
	DryRun bool
}

func newPurge(d *command.Deps) *cobra.Command {
	var o purgeOptions
	cmd := command.New(command.Spec{
		Use:   "purge <handle> [--yes] [--dry-run]",
		Short: "Remove an account and all it wrote, now and for good",
		Long: "For somebody with a claim to be forgotten who can't wait for the grace of a deletion, or can't log in. It shows what\n" +
			"the account has, asks, ends its sessions and removes the rows in small batches while the server runs. There is no way\n" +
			"back. A banned account stays as a handle with its ban; `platctl auth unban` lets that go too. The last admin stays.\n" +
			"Interrupted, it goes on when it is run again, or when a server's job finds it.",
		Example: `
			platctl auth purge ana_orchard
			platctl auth purge ana_orchard --dry-run
			platctl auth purge ana_orchard --yes --json | jq .data.rows`,
		Exits:  []int{4, 6},
		Result: PurgeResult{},
		Args:   cobra.ExactArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			o.Printer, o.Streams, o.Handle = d.Printer(cmd), d.Streams, args[0]
			return with(ctx, d, func(k desk) error { return purgeAccount(ctx, k, o) })
		},
	})
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would go; change nothing")
	return cmd
}

func purgeAccount(ctx context.Context, k desk, o purgeOptions) error {
	a, err := k.sessions.Find(ctx, o.Handle)
	if err != nil {
		return err
	}
	if a.DeletedAt != nil && a.PurgeAt == nil {
		return fault.New(fault.Conflict, "%s is purged already; its handle stays for its ban", a.Handle).
			WithHint("`platctl auth unban %s` lets it go", a.Handle)
	}
	if err := purge.MayGo(ctx, k.conn, a.ID); err != nil {
		return err
	}
	res := PurgeResult{Account: a, DryRun: o.DryRun, Kept: a.BannedAt != nil}
	if res.Counts, err = purge.Counts(ctx, k.conn, a.ID); err != nil {
		return err
	}
	if o.DryRun {
		return o.Printer.Result(res, func(w io.Writer) error { return printPlan(o.Printer, w, res) })
	}
	if !o.Yes {
		if err := printPlan(o.Printer, o.Streams.Err, res); err != nil {
			return err
		}
		if err := o.Streams.Confirm(ctx, "remove all of it for good?"); err != nil {
			return err
		}
	}
	if err := k.purge(ctx, o.Streams, &res); err != nil {
		return err
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s is purged: %d rows%s\n", a.Handle, res.Rows, map[bool]string{true: "; the handle stays with its ban"}[res.Kept])
		return err
	})
}

// purge removes the account, and says now and then how far it is.
func (k desk) purge(ctx context.Context, s *term.Streams, res *PurgeResult) error {
	var rows int64
	told := time.Now()
	p := purge.New(purge.Options{DB: k.conn, Log: slog.New(slog.DiscardHandler), OnBatch: func(what string, n int64) {
		if rows += n; time.Since(told) > 2*time.Second {
			told = time.Now()
			s.Say("purging %s: %d rows", what, rows)
		}
	}})
	var err error
	if res.Ended, err = purge.Condemn(ctx, k.sessions, res.Account.ID); err != nil {
		return command.Interrupted(ctx, err, "no row is gone", "`platctl auth sessions` tells whether the account is deleted; run it again to go on")
	}
	done, err := p.Account(ctx, res.Account.ID)
	res.Rows, res.Kept = done.Rows, done.Kept
	if err == nil && !done.Done {
		return fault.New(fault.Failed, "the account changed meanwhile; %d rows are gone", done.Rows).WithHint("run it again")
	}
	return command.Interrupted(ctx, err, fmt.Sprintf("%d rows are gone for good", done.Rows), "run it again to go on; a server's job does too")
}

func printPlan(p *output.Printer, w io.Writer, res PurgeResult) error {
	rows := make([][]string, len(res.Counts))
	for i, c := range res.Counts {
		rows[i] = []string{c.What, strconv.FormatInt(c.Rows, 10)}
	}
	if err := p.Table(w, []string{"OF " + res.Account.Handle, "ROWS"}, rows); err != nil {
		return err
	}
	if !res.Kept {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s is banned: the handle stays with its ban\n", res.Account.Handle)
	return err
}
