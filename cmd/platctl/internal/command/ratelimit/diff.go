package ratelimit

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

// DiffResult is the data of `platctl ratelimit diff --json`.
type DiffResult struct {
	InForce int64           `json:"in_force"` // version; 0: what the spec declares
	Changes []limits.Change `json:"changes"`
}

func newDiff(d *command.Deps) *cobra.Command {
	var from source
	cmd := command.New(command.Spec{
		Use:   "diff (<file | -> | --version NUMBER)",
		Short: "Compare a file of limits with those in force",
		Long: "Shows what `platctl ratelimit apply` would change, one line a limit. The answer is no (3) when anything differs, so a\n" +
			"pipeline can tell that the file in the repository is not what servers enforce. A file may say\n" +
			"no more than what is different: what it leaves out stays as the spec declares it; a class is taken as a whole.",
		Example: `
			platctl ratelimit diff limits.yaml
			platctl ratelimit diff --version 3
			platctl ratelimit diff limits.yaml --json | jq -r '.data.changes[].path'`,
		Exits:  []int{3, 6},
		Result: DiffResult{},
		Args:   cobra.MaximumNArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			if err := from.use(d, cmd, args); err != nil {
				return err
			}
			return with(ctx, d, func(k desk) error {
				_, to, err := from.policy(ctx, k)
				if err != nil {
					return err
				}
				v, err := k.newest(ctx)
				if err != nil {
					return err
				}
				res := DiffResult{InForce: v.Version, Changes: limits.Diff(v.Policy, to)}
				var verdict error
				if len(res.Changes) > 0 {
					verdict = fault.New(fault.No, "%d differences from what is in force", len(res.Changes)).
						WithHint("`platctl ratelimit apply` puts the other one into force")
				}
				return d.Printer(cmd).Answer(res, verdict, func(w io.Writer) error { return printChanges(w, res.Changes) })
			})
		},
	})
	sourceFlag(cmd, &from)
	return cmd
}

func printChanges(w io.Writer, changes []limits.Change) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(w, "nothing would change")
		return err
	}
	for _, c := range changes {
		if _, err := fmt.Fprintln(w, c); err != nil {
			return err
		}
	}
	return nil
}
