package migrate

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/compat"
)

// ContractResult is the data of `platctl migrate contract --json`.
type ContractResult struct {
	File       string                `json:"file,omitempty"`
	BuiltOn    int64                 `json:"built_on"`
	Statements int                   `json:"statements"`
	Relations  int                   `json:"relations"`
	Facts      int                   `json:"facts"`
	Contract   *manifest.SQLContract `json:"contract,omitempty"` // without --output
}

type contractOptions struct {
	Deps    *command.Deps
	Printer *output.Printer

	Queries string
	Output  string
	App     string
}

func newContract(d *command.Deps) *cobra.Command {
	o := contractOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "contract --queries DIR [--output FILE] [--app NAME] [--database URL]",
		Short: "Write what a release's queries ask of the database",
		Long: "Reads named queries in the form of sqlc (\"-- name: GetUser :one\") and asks the database, whose schema must be the one\n" +
			"that they are written for, about each: types of parameters and results, tables read and written, through views,\n" +
			"functions and triggers, and what is true of those tables. The result is the release's SQL contract, which\n" +
			"`platctl migrate compat` holds against another schema. It runs no query, and changes nothing.",
		Example: `
			platctl migrate contract --queries db/queries
			platctl migrate contract --queries db/queries --output sqlcontract.json
			platctl migrate contract --queries db/queries --json | jq -r '.data.contract.statements[].name'`,
		Exits:  []int{6},
		Result: ContractResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o.Printer = d.Printer(cmd)
			return runContract(ctx, o)
		},
	})
	cmd.Flags().StringVar(&o.Queries, "queries", "", "the folder of .sql files with named queries")
	cmd.Flags().StringVar(&o.Output, "output", "", "the file to write (default: the standard output)")
	cmd.Flags().StringVar(&o.App, "app", "", "whose contract it is, so that it isn't taken for another's")
	command.KeyFlag(cmd, "database", "database.url")
	return cmd
}

func runContract(ctx context.Context, o contractOptions) error {
	if o.Queries == "" {
		return fault.New(fault.Usage, "--queries is missing").WithHint("give the folder of named queries")
	}
	queries, err := compat.ReadQueries(os.DirFS(o.Queries))
	if err != nil {
		return err
	}
	db, err := o.Deps.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, db.URL, "platctl migrate contract")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	c, err := compat.Make(ctx, conn, o.App, queries)
	if err != nil {
		return err
	}
	data, err := c.Marshal()
	if err != nil {
		return err
	}
	res := ContractResult{File: o.Output, BuiltOn: c.BuiltOn, Statements: len(c.Statements), Relations: relations(c), Facts: len(c.Facts)}
	if o.Output == "" {
		c.Schema = manifest.ContractSchema().String()
		res.Contract = c
	} else if err := durable.WriteFile(o.Output, data, 0o644); err != nil {
		return fault.Wrap(err, fault.Failed, "%s can't be written", o.Output)
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		if o.Output == "" {
			_, err := w.Write(data)
			return err
		}
		_, err := fmt.Fprintf(w, "%s: %d statements on %d relations, built on schema %d\n", o.Output, res.Statements, res.Relations, res.BuiltOn)
		return err
	})
}

func relations(c *manifest.SQLContract) int {
	seen := map[string]bool{}
	for _, s := range c.Statements {
		for _, u := range s.Uses {
			seen[u.Relation] = true
		}
	}
	return len(seen)
}
