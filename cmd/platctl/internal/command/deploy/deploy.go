// Package deploy is `platctl deploy`.
package deploy

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/host"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/ops/deploy"
)

// Options is what `platctl deploy` needs.
type Options struct {
	Printer *output.Printer
	Host    *deploy.Host

	Request deploy.Request
	DryRun  bool
}

// New returns `platctl deploy`.
func New(d *command.Deps) *cobra.Command {
	var o Options
	cmd := command.New(command.Spec{
		Use:   "deploy <release-dir> [--why TEXT] [--skip-migrate] [--dry-run]",
		Short: "Bring a release into charge on this host, without losing a request",
		Long: "Checks every digest of the release, stages a copy, runs its migrations while the old release serves, starts it,\n" +
			"waits until /api/ready answers 200, and swaps it in at the edge. The old release is drained and stays warm as\n" +
			"the target of a rollback. A failure before the swap leaves the old release serving.\n" +
			"It needs a running edge (`platctl edge --detach`). It builds nothing and never runs a down migration.",
		Example: `
			platctl deploy dist/1.4.0
			platctl deploy dist/1.4.0 --why "cart fix, see #812"
			platctl deploy dist/1.4.0 --json --dry-run | jq -e '.data.replaces' && platctl deploy dist/1.4.0 --json`,
		Exits:  []int{5, 6},
		Result: deploy.Result{},
		Args:   cobra.ExactArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) (err error) {
			if o.Host, _, err = host.Open(d); err != nil {
				return err
			}
			o.Printer, o.Request.Dir = d.Printer(cmd), args[0]
			return run(ctx, o)
		},
	})
	host.Flags(cmd)
	command.KeyFlag(cmd, "ready-timeout", "deploy.ready_timeout")
	command.KeyFlag(cmd, "drain-timeout", "deploy.drain_timeout")
	cmd.Flags().StringVar(&o.Request.Why, "why", "", "the reason, for the history")
	cmd.Flags().BoolVar(&o.Request.SkipMigrate, "skip-migrate", false, "don't run the release's migrations")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "check the release and show what would be done; change nothing")
	return cmd
}

func run(ctx context.Context, o Options) error {
	if o.DryRun {
		p, err := o.Host.Plan(ctx, o.Request)
		if err != nil {
			return err
		}
		o.Printer.Schema = "platctl.deploy.plan/v1"
		return o.Printer.Result(p, func(w io.Writer) error { return printPlan(w, p) })
	}
	res, err := o.Host.Deploy(ctx, o.Request)
	if err != nil {
		return err
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s serves, in place of %s (%s; routing was locked for %s)\n", res.Release,
			host.Or(res.Previous, "nothing"), time.Duration(res.TotalMS)*time.Millisecond, time.Duration(res.SwapNS))
		return err
	})
}

func printPlan(w io.Writer, p *deploy.Plan) error {
	migrate := "no"
	if p.Migrate {
		migrate = "yes, before the swap"
	}
	_, err := fmt.Fprintf(w, "release   %s (%d files, %d bytes, manifest %.12s; every digest is right)\nreplaces  %s\nmigrates  %s\nstops     %s\nsteps     %s\n",
		p.Release, p.Files, p.Bytes, p.Digest, host.Or(p.Replaces, "nothing"), migrate,
		host.Or(strings.Join(p.Stops, " "), "nothing"), strings.Join(p.Steps, ", "))
	return err
}
