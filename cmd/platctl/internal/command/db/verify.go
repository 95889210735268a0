package db

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/api/verify"
	"github.com/platctl/platctl/internal/base/fault"
)

// VerifyResult is the data of `platctl db verify --json`.
type VerifyResult struct {
	Database string `json:"database"` // without a password
	verify.Report
}

func newVerify(d *command.Deps) *cobra.Command {
	var repair bool
	cmd := command.New(command.Spec{
		Use:   "verify [--repair]",
		Short: "Find rows that contradict each other",
		Long: "Counts likes, comments and blocks again, compares them with the counters and hidden pairs that are derived from\n" +
			"them, compares stock, totals, steps and payments with the orders, and looks for rows that point nowhere. It changes\n" +
			"nothing without --repair, and runs while the server does. With --repair it fixes what is derived, 500 rows a\n" +
			"transaction, and looks again; rows that point nowhere are deleted, and what orders say is left to a person.\n" +
			"Interrupted, what was repaired stays. A dataset of `platctl db seed` that is half written is not repaired.",
		Example: `
			platctl db verify
			platctl db verify --repair
			platctl db verify --json | jq '.data.checks[] | select(.drift > 0)'`,
		Exits:  []int{3, 4, 5, 6},
		Result: VerifyResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return runVerify(ctx, d, d.Printer(cmd), repair)
		},
	})
	cmd.Flags().BoolVar(&repair, "repair", false, "fix what is found, and delete rows that point nowhere")
	return cmd
}

func runVerify(ctx context.Context, d *command.Deps, p *output.Printer, repair bool) error {
	db, err := d.Database(ctx)
	if err != nil {
		return err
	}
	rep, err := verify.Run(ctx, db.URL, verify.Options{Repair: repair, OnCheck: func(name string) {
		if d.Streams.ErrTTY {
			d.Streams.Say("checking %s", name)
		}
	}})
	if err != nil {
		return command.Interrupted(ctx, err, map[bool]string{false: "nothing was changed", true: "what was repaired stays"}[repair], "run it again")
	}
	if rep.Unfinished != "" {
		d.Streams.Say("the dataset %s is half written: what contradicts itself may only be unfinished; `platctl db seed` goes on with it", rep.Unfinished)
	}
	return p.Answer(VerifyResult{Database: db.Shown, Report: rep}, drift(rep, repair), func(w io.Writer) error {
		if err := p.Table(w, []string{"CHECK", "DRIFT", "REPAIRED", "LEFT", "RULE"}, findings(rep)); err != nil {
			return err
		}
		return details(w, rep)
	})
}

// drift says no when a row is wrong, and whether a repair would help: a check with a hint is left to a person.
func drift(rep verify.Report, repair bool) error {
	var mendable int64
	for _, f := range rep.Checks {
		if f.Hint == "" {
			mendable += f.Left
		}
	}
	const hints = "see the hints of the checks above; --json has them all"
	switch {
	case rep.Left == 0:
		return nil
	case rep.Unfinished != "":
		return fault.New(fault.No, "%d rows contradict others; the dataset %s is half written", rep.Left, rep.Unfinished).
			WithHint("finish it first: the `platctl db seed` that began it goes on")
	case repair:
		return fault.New(fault.No, "%d rows still contradict others", rep.Left).WithHint(hints)
	case mendable == 0:
		return fault.New(fault.No, "%d rows contradict others", rep.Left).WithHint(hints)
	case mendable < rep.Left:
		return fault.New(fault.No, "%d rows contradict others", rep.Left).WithHint("`platctl db verify --repair` fixes %d of them; for the others "+hints, mendable)
	}
	return fault.New(fault.No, "%d rows contradict others", rep.Left).WithHint("`platctl db verify --repair` fixes them")
}

func findings(rep verify.Report) [][]string {
	var rows [][]string
	for _, f := range rep.Checks {
		rule := f.Rule
		if f.Skipped != "" {
			rule = "skipped: " + f.Skipped
		}
		n := func(v int64) string { return strconv.FormatInt(v, 10) }
		rows = append(rows, []string{f.Check, n(f.Drift), n(f.Fixed), n(f.Left), rule})
	}
	return rows
}

func details(w io.Writer, rep verify.Report) error {
	for _, f := range rep.Checks {
		for _, e := range f.Examples {
			if _, err := fmt.Fprintf(w, "%s: for example %s\n", f.Check, e); err != nil {
				return err
			}
		}
		if f.Left > 0 && f.Hint != "" {
			if _, err := fmt.Fprintf(w, "%s: %s\n", f.Check, f.Hint); err != nil {
				return err
			}
		}
	}
	return nil
}
