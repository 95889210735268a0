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

// UpResult is the data of `platctl migrate up --json`.
type UpResult struct {
	Database string    `json:"database"` // without a password
	DryRun   bool      `json:"dry_run"`
	Planned  []Planned `json:"planned,omitempty"` // only with --dry-run
	*migrate.Result
}

// Planned is a migration that would be applied.
type Planned struct {
	Version     int64  `json:"version"`
	Name        string `json:"name"`
	Phase       string `json:"phase,omitempty"`
	Transaction bool   `json:"transaction"`
	Statements  int    `json:"statements"`
}

type upOptions struct {
	Deps *command.Deps

	To         int64
	DryRun     bool
	OutOfOrder bool
	Release    string
	Retained   []string
	Allow      []string
}

func newUp(d *command.Deps) *cobra.Command {
	o := upOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "up [--to VERSION] [--dry-run] [--out-of-order] [--release NAME] [--retained DIR] [--dir DIR]",
		Short: "Apply the pending migrations",
		Long: "Applies every pending migration in the order of its number, each in one transaction with its row in the ledger\n" +
			"platctl.migrations, or statement by statement where the file says NO TRANSACTION. Only one runs at a time on a\n" +
			"database; a second one waits and says for whom. It never goes down. Interrupted, it goes on where it stopped.\n" +
			"Before a file of phase contract it tries the files in a database of its own and refuses (3) where a release that is\n" +
			"kept on this host, or named with --retained, is not PROVEN on what they make.",
		Example: `
			platctl migrate up
			platctl migrate up --to 20261122150000 --dry-run
			platctl migrate up --json --release "$VERSION" || platctl migrate status`,
		Exits:  []int{3, 5, 6, 7},
		Result: UpResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return runUp(ctx, d.Printer(cmd), o)
		},
	})
	cmd.Flags().Int64Var(&o.To, "to", 0, "apply migrations up to this version and no further")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would be applied, and change nothing")
	cmd.Flags().BoolVar(&o.OutOfOrder, "out-of-order", false, "also apply a migration that is older than the newest applied one")
	cmd.Flags().StringVar(&o.Release, "release", "", "the release that brings these migrations, for the ledger")
	cmd.Flags().StringArrayVar(&o.Retained, "retained", nil, "a release directory that must live on; may be given again (default: those on this host)")
	cmd.Flags().StringArrayVar(&o.Allow, "allow-breaking", nil, "a release that may break, by its name; the ledger keeps that")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	command.KeyFlag(cmd, "app", "deploy.app")
	command.KeyFlag(cmd, "root", "deploy.root")
	return cmd
}

func runUp(ctx context.Context, p *output.Printer, o upOptions) error {
	if o.To < 0 {
		return fault.New(fault.Usage, "--to %d is not a version", o.To)
	}
	g := &guard{deps: o.Deps, retained: o.Retained, allow: o.Allow}
	m, err := open(o.Deps, migrate.Options{OutOfOrder: o.OutOfOrder, Release: o.Release, OnEvent: say(o.Deps.Streams), Guard: g.ask})
	if err != nil {
		return err
	}
	db, err := o.Deps.Database(ctx)
	if err != nil {
		return err
	}
	g.m, g.url = m, db.URL
	if o.DryRun {
		return dryRun(ctx, p, m, db, o.To)
	}
	res, err := m.Up(ctx, db.URL, o.To)
	return p.Answer(UpResult{Database: db.Shown, Result: res}, err, func(w io.Writer) error {
		if err != nil && len(res.Applied) == 0 {
			return nil
		}
		if len(res.Applied) == 0 {
			_, werr := fmt.Fprintf(w, "nothing to apply; the schema is at %d\n", res.To)
			return werr
		}
		_, werr := fmt.Fprintf(w, "applied %d: the schema was at %d and is at %d\n", len(res.Applied), res.From, res.To)
		return werr
	})
}

func dryRun(ctx context.Context, p *output.Printer, m *migrate.Migrator, db *command.Database, to int64) error {
	conn, err := pg.Connect(ctx, db.URL, "platctl migrate up --dry-run")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	todo, st, err := m.Plan(ctx, conn, to)
	if err != nil {
		return err
	}
	res := UpResult{Database: db.Shown, DryRun: true, Planned: []Planned{},
		Result: &migrate.Result{From: st.Current, To: st.Current, Applied: []migrate.Done{}, Warnings: st.Warnings}}
	rows := make([][]string, len(todo))
	for i, mg := range todo {
		res.Planned = append(res.Planned, Planned{mg.Version, mg.Name, mg.Phase, !mg.Up.Stepwise, len(mg.Up.Statements)})
		rows[i] = []string{strconv.FormatInt(mg.Version, 10), mg.Name, dash(mg.Phase), strconv.Itoa(len(mg.Up.Statements)), yes(!mg.Up.Stepwise)}
	}
	return p.Result(res, func(w io.Writer) error {
		if len(rows) == 0 {
			_, err := fmt.Fprintf(w, "nothing to apply; the schema is at %d\n", st.Current)
			return err
		}
		return p.Table(w, []string{"VERSION", "NAME", "PHASE", "STATEMENTS", "TRANSACTION"}, rows)
	})
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
