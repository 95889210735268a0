// Package rollback is `platctl rollback`.
package rollback

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/host"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/deploy"
)

// Options is what `platctl rollback` needs.
type Options struct {
	Printer *output.Printer
	Streams *term.Streams
	Host    *deploy.Host
	Now     time.Time

	To     string
	Why    string
	Yes    bool
	DryRun bool
}

// New returns `platctl rollback`.
func New(d *command.Deps) *cobra.Command {
	var o Options
	cmd := command.New(command.Spec{
		Use:   "rollback [--to VERSION|RELEASE] [--why TEXT] [--yes] [--dry-run]",
		Short: "Go back to the last good release, now",
		Long: "Swaps the last good release back in at the edge: at once when it is still warm, else after starting it. The one\n" +
			"that is left is marked bad and never chosen again.\n" +
			"It runs no migration and needs no database, registry or network, nor a disk that can be written: traffic first,\n" +
			"the history last. Exit 8 says that there is no good release to go back to, 3 that the one named is bad or serves already.",
		Example: `
			platctl rollback
			platctl rollback --to 1.3.2 --why "checkout answers 500"
			platctl rollback --yes --json | jq -e '.data.restored_ms < 1000'`,
		Exits:  []int{3, 4, 5, 6, 8},
		Result: deploy.RollbackResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) (err error) {
			if o.To == "" && cmd.Flags().Changed("to") { // a variable that was not set must not choose for its script
				return fault.New(fault.Usage, "--to is empty").WithHint("name a release or version, or leave --to out for the last good one")
			}
			if o.Host, _, err = host.Open(d); err != nil {
				return err
			}
			o.Printer, o.Streams, o.Now = d.Printer(cmd), d.Streams, d.Now()
			return run(ctx, o)
		},
	})
	host.Flags(cmd)
	command.KeyFlag(cmd, "ready-timeout", "deploy.ready_timeout")
	cmd.Flags().StringVar(&o.To, "to", "", "the release or version to go back to (default: the last good one)")
	cmd.Flags().StringVar(&o.Why, "why", "", "the reason, for the history")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show where it would go; change nothing")
	return cmd
}

func run(ctx context.Context, o Options) error {
	p, err := o.Host.PlanRollback(ctx, o.To)
	if err != nil {
		return err
	}
	if o.DryRun {
		o.Printer.Schema = "platctl.rollback.plan/v1"
		return o.Printer.Result(p, func(w io.Writer) error { return printPlan(w, o, p) })
	}
	if !o.Yes {
		if err := printPlan(o.Streams.Err, o, p); err != nil {
			return err
		}
		if err := o.Streams.Confirm(ctx, "roll back?"); err != nil {
			return err
		}
	}
	res, err := o.Host.Rollback(ctx, p, o.Why)
	if err != nil {
		return err
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s serves again after %s; %s is marked bad\n",
			res.To, time.Duration(res.RestoredMS)*time.Millisecond, res.From)
		return err
	})
}

func printPlan(w io.Writer, o Options, p *deploy.RollbackPlan) error {
	how := "it is started first"
	if p.Warm {
		how = "it is warm: at once"
	}
	_, err := fmt.Fprintf(w, "back to  %s, put in charge %s (%s)\nleaves   %s, which will be bad for ever\nschema   stays as it is; no migration runs\n",
		p.To, host.Ago(o.Now, p.Served), how, p.From)
	for _, n := range p.Notes {
		if err == nil {
			_, err = fmt.Fprintf(w, "note     %s\n", n)
		}
	}
	return err
}
