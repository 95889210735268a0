package migrate

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// PlanResult is the data of `platctl migrate plan --json`.
type PlanResult struct {
	Database string `json:"database"` // without a password
	*migrate.Preview
}

type planOptions struct {
	Deps *command.Deps

	To     int64
	Down   bool
	Format string
}

func newPlan(d *command.Deps) *cobra.Command {
	o := planOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "plan [--to VERSION] [--down] [--format table|markdown] [--dir DIR]",
		Short: "Tell what an up, or a down, would do now",
		Long: "For each migration: how it runs, how long it waits for a lock and how often it is tried, which tables it names and\n" +
			"how large they are by PostgreSQL's estimates, which data goes with it, and what an earlier run has done of it. Names\n" +
			"that only code uses are not seen. It takes no lock, changes nothing and answers while a migration runs.",
		Example: `
			platctl migrate plan
			platctl migrate plan --down --to 20261101120000
			platctl migrate plan --format markdown --dir db/migrations >> "$GITHUB_STEP_SUMMARY"`,
		Exits:  []int{6},
		Result: PlanResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return runPlan(ctx, d.Printer(cmd), o)
		},
	})
	cmd.Flags().Int64Var(&o.To, "to", migrate.Newest, "the version that the schema would be at (default: the newest; with --down one less than now)")
	cmd.Flags().BoolVar(&o.Down, "down", false, "plan the way down")
	formatFlag(cmd, &o.Format, "table, or markdown for a pull request", "table", "markdown")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func runPlan(ctx context.Context, p *output.Printer, o planOptions) error {
	if o.To < migrate.Newest {
		return fault.New(fault.Usage, "--to %d is not a version", o.To)
	}
	m, err := open(o.Deps, migrate.Options{OutOfOrder: true})
	if err != nil {
		return err
	}
	db, err := o.Deps.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, db.URL, "platctl migrate plan")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	preview := m.PreviewDown
	if !o.Down {
		preview, o.To = m.PreviewUp, max(o.To, 0)
	}
	v, err := preview(ctx, conn, o.To)
	if err != nil {
		return err
	}
	for _, w := range v.Warnings {
		o.Deps.Streams.Say("warning: %s", w)
	}
	return p.Result(PlanResult{db.Shown, v}, func(w io.Writer) error {
		if o.Format == "markdown" {
			return markdown(w, v)
		}
		return planTable(p, w, v)
	})
}

func planHead() []string {
	return []string{"VERSION", "NAME", "PHASE", "STATEMENTS", "TRANSACTION", "LOCK TIMEOUT", "ATTEMPTS", "TABLES", "LOSES"}
}

func planRow(f migrate.Planned) []string {
	statements := strconv.Itoa(f.Statements)
	if f.Done > 0 {
		statements += fmt.Sprintf(", %d done", f.Done)
	}
	if f.Batch != nil {
		statements += fmt.Sprintf(", by %d rows", f.Batch.Size)
	}
	if f.Progress != nil {
		statements += fmt.Sprintf(", %s done", f.Progress)
	}
	var tables, lost []string
	for _, t := range f.Tables {
		tables = append(tables, fmt.Sprintf("%s (%s rows, %s)", t.Name, known(t.Rows, strconv.FormatInt(t.Rows, 10)), megabytes(t.Bytes)))
	}
	for _, l := range f.Losses {
		lost = append(lost, l.What+" "+l.Name)
	}
	return []string{strconv.FormatInt(f.Version, 10), f.Name, dash(f.Phase), statements, yes(f.Transaction),
		(time.Duration(f.LockTimeoutMS) * time.Millisecond).String(), strconv.Itoa(f.Attempts),
		dash(strings.Join(tables, ", ")), dash(strings.Join(lost, ", "))}
}

func megabytes(n int64) string { return known(n, fmt.Sprintf("%.1f", float64(n)/1e6)) + " MB" }

func planTable(p *output.Printer, w io.Writer, v *migrate.Preview) error {
	if len(v.Files) == 0 {
		if _, err := fmt.Fprintln(w, nothingTo(v)); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, f := range v.Files {
			rows = append(rows, planRow(f))
		}
		if err := p.Table(w, planHead(), rows); err != nil {
			return err
		}
	}
	if v.Live == nil {
		return nil
	}
	return liveTable(p, w, v.Live)
}

func nothingTo(v *migrate.Preview) string {
	if v.Down {
		return "nothing to revert"
	}
	return fmt.Sprintf("nothing to apply; the schema is at %d", v.From)
}

// markdown prints the plan for a pull request.
func markdown(w io.Writer, v *migrate.Preview) error {
	var b strings.Builder
	fmt.Fprintf(&b, "The schema is at %d and would be at %d.\n", v.From, v.To)
	if len(v.Files) > 0 {
		head := planHead()
		fmt.Fprintf(&b, "\n| %s |\n|%s\n", strings.ToLower(strings.Join(head, " | ")), strings.Repeat("---|", len(head)))
	}
	for _, f := range v.Files {
		row := planRow(f)
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	for _, warning := range v.Warnings {
		fmt.Fprintf(&b, "\n- %s\n", warning)
	}
	if v.Live != nil {
		fmt.Fprintf(&b, "\nA migration runs now: %s\n", v.Live.Runner)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
