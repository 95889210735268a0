package migrate

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// RepairResult is the data of `platctl migrate repair --json`.
type RepairResult struct {
	Database string `json:"database"` // without a password
	DryRun   bool   `json:"dry_run"`
	*migrate.Repaired
}

const maxWhy = 1000

type repairOptions struct {
	Deps    *command.Deps
	Printer *output.Printer

	Version int64
	How     string
	Why     string
	Yes     bool
	DryRun  bool
}

func newRepair(d *command.Deps) *cobra.Command {
	o := repairOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "repair <version> --as applied|reverted|accept --why TEXT [--yes] [--dry-run] [--dir DIR]",
		Short: "Tell the ledger what is true of a migration",
		Long: "For a migration that stands halfway and was finished (--as applied) or taken back (--as reverted) by hand, and for a file\n" +
			"that was edited after it was applied without a difference to the schema (--as accept). It changes one row of the ledger\n" +
			"and runs nothing. `platctl migrate up` and `down` go on with most of what stands halfway, without a repair.",
		Example: `
			platctl migrate repair 12 --as applied --why "the index was built by hand" --dry-run
			platctl migrate repair 20261101120000 --as reverted --why "dropped what it had made"
			platctl migrate repair 7 --as accept --why "a comment" --yes --json | jq -r .data.to`,
		Exits:  []int{4, 5, 6},
		Result: RepairResult{},
		Args:   cobra.ExactArgs(1),
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			o.Printer = d.Printer(cmd)
			var err error
			if o.Version, err = strconv.ParseInt(args[0], 10, 64); err != nil || o.Version < 1 {
				return fault.New(fault.Usage, "%q is not a version", args[0]).WithHint("`platctl migrate status` lists them")
			}
			return runRepair(ctx, o)
		},
	})
	cmd.Flags().StringVar(&o.How, "as", "", "what is true: applied, reverted, or accept for the text of the file")
	cmd.Flags().StringVar(&o.Why, "why", "", "the reason, for the ledger's log")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would change; change nothing")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func (o repairOptions) check() (migrate.Repair, error) {
	how := migrate.Repair(o.How)
	if how != migrate.MarkApplied && how != migrate.MarkReverted && how != migrate.AcceptFile {
		return how, fault.New(fault.Usage, "--as %q is not applied, reverted or accept", o.How)
	}
	if strings.TrimSpace(o.Why) == "" || !utf8.ValidString(o.Why) || len(o.Why) > maxWhy {
		return how, fault.New(fault.Usage, "--why needs text of at most %d bytes: the ledger's log keeps the reason", maxWhy)
	}
	return how, nil
}

func runRepair(ctx context.Context, o repairOptions) error {
	how, err := o.check()
	if err != nil {
		return err
	}
	m, err := open(o.Deps, migrate.Options{OnEvent: say(o.Deps.Streams)})
	if err != nil {
		return err
	}
	db, err := o.Deps.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, db.URL, "platctl migrate repair")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	res := RepairResult{Database: db.Shown, DryRun: o.DryRun}
	if res.Repaired, err = m.PlanRepair(ctx, conn, o.Version, how); err != nil {
		return err
	}
	if !o.DryRun {
		if !o.Yes {
			if err := o.Deps.Streams.Confirm(ctx, fmt.Sprintf("%d_%s: from %s to %s?", res.Version, res.Name, res.From, res.To)); err != nil {
				return err
			}
		}
		if res.Repaired, err = m.Repair(ctx, db.URL, o.Version, how, "by "+o.Deps.Operator()+": "+o.Why); err != nil {
			return err
		}
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%d_%s: from %s to %s\n", res.Version, res.Name, res.From, res.To)
		return err
	})
}
