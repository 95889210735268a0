package ratelimit

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

// ApplyResult is the data of `platctl ratelimit apply --json`.
type ApplyResult struct {
	Version int64           `json:"version"` // in force afterwards
	Applied bool            `json:"applied"` // false: --dry-run, or nothing to change
	DryRun  bool            `json:"dry_run"`
	Mode    limits.Mode     `json:"mode"`
	Percent int             `json:"percent"`
	Changes []limits.Change `json:"changes"`
}

// maxWhy is the longest reason in characters, as the schema has it.
const maxWhy = 1000

type applyOptions struct {
	Printer *output.Printer
	Streams *term.Streams
	Author  string

	From   source
	Why    string
	Yes    bool
	DryRun bool
}

func newApply(d *command.Deps) *cobra.Command {
	var o applyOptions
	cmd := command.New(command.Spec{
		Use:   "apply (<file | -> | --version NUMBER) --why TEXT [--yes] [--dry-run]",
		Short: "Put limits into force on every server",
		Long: "Shows what would change and asks, then makes the policy the newest version. Every server enforces it within a second,\n" +
			"without a restart, and what clients owe stays owed. --version goes back: to the same policy, under a new number.\n" +
			"A new limit belongs into mode shadow first: servers count whom it would refuse. docs/ratelimit.md shows the way.",
		Example: `
			platctl ratelimit apply limits.yaml --why "search for bots"
			platctl ratelimit apply --version 3 --why "version 4 refuses the app"
			platctl ratelimit apply limits.yaml --why "$CI_COMMIT_TITLE" --yes --json | jq .data.version`,
		Exits:  []int{4, 5, 6},
		Result: ApplyResult{},
		Args:   cobra.MaximumNArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			err := o.From.use(d, cmd, args)
			if err != nil {
				return err
			}
			if o.Why = strings.TrimSpace(o.Why); o.Why == "" && !o.DryRun {
				return fault.New(fault.Usage, "--why is missing: whoever wonders about a refused request reads it in the history")
			}
			if o.Why, err = timeline.CleanText("--why", maxWhy, true, o.Why); err != nil {
				return err
			}
			o.Printer, o.Streams, o.Author = d.Printer(cmd), d.Streams, d.Operator()
			return with(ctx, d, func(k desk) error { return apply(ctx, k, o) })
		},
	})
	sourceFlag(cmd, &o.From)
	cmd.Flags().StringVar(&o.Why, "why", "", "the reason, for the history")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would change; change nothing")
	return cmd
}

func apply(ctx context.Context, k desk, o applyOptions) error {
	p, whole, err := o.From.policy(ctx, k)
	if err != nil {
		return err
	}
	was, err := k.newest(ctx)
	if err != nil {
		return err
	}
	res := ApplyResult{Version: was.Version, DryRun: o.DryRun, Mode: whole.Mode, Percent: whole.Percent, Changes: limits.Diff(was.Policy, whole)}
	if o.DryRun || len(res.Changes) == 0 && was.Version > 0 {
		return o.Printer.Result(res, func(w io.Writer) error { return printChanges(w, res.Changes) })
	}
	if !o.Yes {
		if err := printChanges(o.Streams.Err, res.Changes); err != nil {
			return err
		}
		if err := o.Streams.Confirm(ctx, "put these limits into force?"); err != nil {
			return err
		}
	}
	v, err := k.store.Apply(ctx, was.Version, p, o.Author, o.Why)
	if err != nil {
		return err
	}
	res.Version, res.Applied = v.Version, true
	return o.Printer.Result(res, func(w io.Writer) error {
		if err := printChanges(w, res.Changes); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "version %d is in force, mode %s; `platctl ratelimit apply --version %d` goes back\n", v.Version, whole.Mode, was.Version)
		return err
	})
}
