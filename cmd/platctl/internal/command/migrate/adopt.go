package migrate

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// AdoptResult is the data of `platctl migrate adopt --json`.
type AdoptResult struct {
	Database string `json:"database"` // without a password
	DryRun   bool   `json:"dry_run"`
	*migrate.Adoption
}

type adoptOptions struct {
	Deps    *command.Deps
	Printer *output.Printer

	Table  string
	Yes    bool
	DryRun bool
}

func newAdopt(d *command.Deps) *cobra.Command {
	o := adoptOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "adopt [--table NAME] [--yes] [--dry-run] [--dir DIR]",
		Short: "Take over a database that another tool has migrated",
		Long: "Reads what goose, golang-migrate, dbmate or tern have applied from their table, and writes it into the ledger\n" +
			"platctl.migrations with the text of the files. It runs no migration and leaves the other tool's table as it is. A file\n" +
			"that is missing, or a version that golang-migrate calls dirty, is an error: nothing is adopted then.",
		Example: `
			platctl migrate adopt --dir db/migrations --dry-run
			platctl migrate adopt --dir db/migrations
			platctl migrate adopt --table app.schema_migrations --yes --json | jq '.data.applied | length'`,
		Exits:  []int{4, 5, 6},
		Result: AdoptResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o.Printer = d.Printer(cmd)
			return runAdopt(ctx, o)
		},
	})
	cmd.Flags().StringVar(&o.Table, "table", "", "the other tool's table, where there are several")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would be adopted; change nothing")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func runAdopt(ctx context.Context, o adoptOptions) error {
	m, err := open(o.Deps, migrate.Options{OnEvent: say(o.Deps.Streams)})
	if err != nil {
		return err
	}
	db, err := o.Deps.Database(ctx)
	if err != nil {
		return err
	}
	plan, err := planAdopt(ctx, m, db.URL, o.Table)
	if err != nil {
		return err
	}
	res := AdoptResult{Database: db.Shown, DryRun: o.DryRun, Adoption: plan}
	if !o.DryRun {
		if !o.Yes {
			if err := o.Deps.Streams.Confirm(ctx, fmt.Sprintf("adopt %d migrations of %s from %s?", len(plan.Applied), plan.Tool, plan.Table)); err != nil {
				return err
			}
		}
		if res.Adoption, err = m.Adopt(ctx, db.URL, plan.Table); err != nil {
			return err
		}
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		verb := "adopted"
		if o.DryRun {
			verb = "would adopt"
		}
		_, err := fmt.Fprintf(w, "%s %d migrations of %s from %s; %d are pending\n", verb, len(res.Applied), res.Tool, res.Table, res.Pending)
		return err
	})
}

func planAdopt(ctx context.Context, m *migrate.Migrator, url, table string) (*migrate.Adoption, error) {
	conn, err := pg.Connect(ctx, url, "platctl migrate adopt")
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return m.PlanAdopt(ctx, conn, table)
}
