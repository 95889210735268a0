package migrate

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// NewResult is the data of `platctl migrate new --json`.
type NewResult struct {
	Files []string `json:"files"`
}

func newNew(d *command.Deps) *cobra.Command {
	var phase string
	cmd := command.New(command.Spec{
		Use:   "new <name> [--phase expand|contract|backfill] [--dir DIR]",
		Short: "Make an empty migration with the next number",
		Long: "Writes a file into migrations.dir that is named like the ones that are there: with the next number, or with the time\n" +
			"where they have times; with the marks of goose, dbmate or golang-migrate. It touches no database.",
		Example: `
			platctl migrate new add_farm_motto --dir db/migrations
			platctl migrate new drop_old_names --phase contract
			platctl migrate new add_index --json | jq -r '.data.files[0]' | xargs -o "$EDITOR"`,
		Result: NewResult{},
		Args:   cobra.ExactArgs(1),
		Run: func(_ context.Context, cmd *cobra.Command, args []string) error {
			return runNew(d, d.Printer(cmd), args[0], phase)
		},
	})
	cmd.Flags().StringVar(&phase, "phase", "expand", "expand: what runs now lives on; contract: it doesn't; backfill: data only")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func runNew(d *command.Deps, p *output.Printer, name, phase string) error {
	s, err := d.Settings()
	if err != nil {
		return err
	}
	dir := s.Config.Migrations.Dir
	if dir == "" {
		return fault.New(fault.Config, "migrations.dir is not set").WithHint("set it, or --dir, to the folder of migrations")
	}
	files, err := migrate.Create(dir, name, phase, d.Now())
	if err != nil {
		return err
	}
	return p.Result(NewResult{files}, func(w io.Writer) error {
		for _, f := range files {
			if _, err := fmt.Fprintln(w, f); err != nil {
				return err
			}
		}
		return nil
	})
}
