package migrate

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// DownResult is the data of `platctl migrate down --json`.
type DownResult struct {
	Database string         `json:"database"` // without a password
	DryRun   bool           `json:"dry_run"`
	Planned  []migrate.Step `json:"planned"` // the newest first
	*migrate.DownResult
}

type downOptions struct {
	Deps    *command.Deps
	Printer *output.Printer

	To     int64
	Yes    bool
	DryRun bool
}

func newDown(d *command.Deps) *cobra.Command {
	o := downOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "down [--to VERSION] [--yes] [--dry-run] [--dir DIR]",
		Short: "Revert the newest migration, or all above a version",
		Long: "Runs the way down that the ledger platctl.migrations keeps, so it needs neither the files nor the platctl that applied\n" +
			"them. It shows what would be reverted and which data goes with it, and asks. Sizes are PostgreSQL's estimates. What\n" +
			"runs now has to live with the older schema: a rollback of the release comes first, and usually needs no down at all.",
		Example: `
			platctl migrate down --dry-run
			platctl migrate down
			platctl migrate down --to 20261101120000 --yes --json | jq '.data.reverted | length'`,
		Exits:  []int{4, 5, 6},
		Result: DownResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o.Printer = d.Printer(cmd)
			return runDown(ctx, o)
		},
	})
	cmd.Flags().Int64Var(&o.To, "to", migrate.Newest, "the version that the schema is at afterwards; 0 reverts everything (default: one less)")
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would be reverted and lost; change nothing")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func runDown(ctx context.Context, o downOptions) error {
	if o.To < migrate.Newest {
		return fault.New(fault.Usage, "--to %d is not a version", o.To)
	}
	m, err := open(o.Deps, migrate.Options{OnEvent: say(o.Deps.Streams)})
	if err != nil {
		return err
	}
	db, err := o.Deps.Database(ctx)
	if err != nil {
		return err
	}
	steps, err := planDown(ctx, m, db.URL, o.To)
	if err != nil {
		return err
	}
	res := DownResult{Database: db.Shown, DryRun: o.DryRun, Planned: steps, DownResult: &migrate.DownResult{Reverted: []migrate.Done{}}}
	if o.DryRun || len(steps) == 0 {
		return o.Printer.Result(res, func(w io.Writer) error { return o.plan(w, steps) })
	}
	if !o.Yes {
		if err := o.plan(o.Deps.Streams.Err, steps); err != nil {
			return err
		}
		if err := o.Deps.Streams.Confirm(ctx, fmt.Sprintf("revert %d on %s?", len(steps), db.Shown)); err != nil {
			return err
		}
	}
	res.DownResult, err = m.Down(ctx, db.URL, o.To)
	return o.Printer.Answer(res, err, func(w io.Writer) error {
		_, werr := fmt.Fprintf(w, "reverted %d: the schema was at %d and is at %d\n", len(res.Reverted), res.From, res.To)
		return werr
	})
}

func planDown(ctx context.Context, m *migrate.Migrator, url string, to int64) ([]migrate.Step, error) {
	conn, err := pg.Connect(ctx, url, "platctl migrate down")
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return m.PlanDown(ctx, conn, to)
}

// plan shows what would be reverted, and then what would be lost.
func (o downOptions) plan(w io.Writer, steps []migrate.Step) error {
	if len(steps) == 0 {
		_, err := fmt.Fprintln(w, "nothing to revert")
		return err
	}
	var reverted, lost [][]string
	for _, s := range steps {
		reverted = append(reverted, []string{strconv.FormatInt(s.Version, 10), s.Name, strconv.Itoa(s.Statements), yes(s.Transaction)})
		for _, l := range s.Losses {
			lost = append(lost, []string{strconv.FormatInt(s.Version, 10), l.What, l.Name, known(l.Rows, strconv.FormatInt(l.Rows, 10)), known(l.Bytes, fmt.Sprintf("%.1f MB", float64(l.Bytes)/1e6))})
		}
	}
	if err := o.Printer.Table(w, []string{"REVERTS", "NAME", "STATEMENTS", "TRANSACTION"}, reverted); err != nil || len(lost) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return o.Printer.Table(w, []string{"BY", "LOSES", "NAME", "ROWS, ABOUT", "SIZE"}, lost)
}

func known(n int64, s string) string {
	if n < 0 {
		return "?"
	}
	return s
}
