package migrate

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/catalog"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// VerifyResult is the data of `platctl migrate verify --json`.
type VerifyResult struct {
	Database string `json:"database"` // without a password
	*migrate.Verification
}

func newVerify(d *command.Deps) *cobra.Command {
	cmd := command.New(command.Spec{
		Use:   "verify [--dir DIR]",
		Short: "Tell whether files, ledger and schema agree",
		Long: "Compares the text of every applied file with the ledger, and the live schema with what the last run left: tables,\n" +
			"columns, constraints, indexes, functions, grants, comments and the rest. It only reads and takes no lock. The answer\n" +
			"is no (3) when a file was changed, a migration stands halfway or somebody changed the schema by hand; what is\n" +
			"pending doesn't matter.",
		Example: `
			platctl migrate verify
			platctl migrate verify --config configs/production.yaml
			platctl migrate verify --json | jq -r '.data.drift | .lost[], .gained[] | "\(.kind) \(.object): \(.fact)"'`,
		Exits:  []int{3, 5, 6},
		Result: VerifyResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return runVerify(ctx, d, d.Printer(cmd))
		},
	})
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func runVerify(ctx context.Context, d *command.Deps, p *output.Printer) error {
	m, err := open(d, migrate.Options{})
	if err != nil {
		return err
	}
	db, err := d.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, db.URL, "platctl migrate verify")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	v, err := m.Verify(ctx, conn)
	if err != nil {
		return err
	}
	for _, w := range v.Warnings {
		d.Streams.Say("warning: %s", w)
	}
	return p.Answer(VerifyResult{db.Shown, v}, v.Verdict(), func(w io.Writer) error { return verified(p, w, v) })
}

// verified shows the drift, or that there is none.
func verified(p *output.Printer, w io.Writer, v *migrate.Verification) error {
	if v.Drift == nil {
		return nil
	}
	if v.Drift.Class == catalog.Identical {
		_, err := fmt.Fprintf(w, "the schema is what the run of %s left: at %d\n", v.Run.At.UTC().Format(time.RFC3339), v.Run.To)
		return err
	}
	var rows [][]string
	add := func(sign string, facts []catalog.Fact) {
		for _, f := range facts {
			rows = append(rows, []string{sign, f.Kind, f.Object, strings.Join(strings.Fields(f.Fact), " ")})
		}
	}
	add("lost", v.Drift.Lost)
	add("gained", v.Drift.Gained)
	return p.Table(w, []string{"DRIFT", "KIND", "OBJECT", "FACT"}, rows)
}
