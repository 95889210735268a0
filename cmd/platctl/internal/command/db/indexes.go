package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/indexes"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

func newIndexes(d *command.Deps) *cobra.Command {
	var out string
	cmd := command.New(command.Spec{
		Use:   "indexes [--out FILE]",
		Short: "Explain every list of the API on a seeded database",
		Long: "Runs the home feed and every list with the parameters of different callers, and prints as Markdown what they cost in\n" +
			"pages, which indexes serve them and what those add to a write. It measures an index by dropping it inside a\n" +
			"transaction that is rolled back, so it refuses production and needs a database of `platctl db seed`.",
		Example: `
			platctl db indexes
			platctl db indexes --out docs/indexes.md
			platctl db indexes --json | jq '.data.lists[] | {name, classes}'`,
		Exits:  []int{4, 6},
		Result: indexes.Report{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return runIndexes(ctx, d, cmd, out)
		},
	})
	cmd.Flags().StringVar(&out, "out", "", "the file to write the page to; without it, standard output")
	return cmd
}

func runIndexes(ctx context.Context, d *command.Deps, cmd *cobra.Command, out string) error {
	s, err := d.Settings()
	if err != nil {
		return err
	}
	if s.Config.Environment == config.Production {
		return fault.New(fault.Refused, "measuring an index locks its table; environment is production").
			WithHint("measure on a database of `platctl db seed`")
	}
	if err := writable(out); err != nil {
		return err
	}
	db, err := d.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, db.URL, "platctl db indexes")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rep, err := indexes.Measure(ctx, conn)
	if err != nil {
		return command.Interrupted(ctx, err, "nothing was changed", "run it again")
	}
	if out != "" {
		var page bytes.Buffer
		if err := rep.Markdown(&page); err != nil {
			return err
		}
		if err := durable.WriteFile(out, page.Bytes(), 0o644); err != nil {
			return unwritable(err)
		}
	}
	return d.Printer(cmd).Result(rep, func(w io.Writer) error {
		if out == "" {
			return rep.Markdown(w)
		}
		_, err := fmt.Fprintf(w, "%d lists, %d indexes: %s\n", len(rep.Lists), len(rep.Indexes), out)
		return err
	})
}

// writable finds out whether the page can be written before minutes of measuring: by a file beside it, because that is how it is
// replaced.
func writable(out string) error {
	if out == "" {
		return nil
	}
	if st, err := os.Stat(out); err == nil && !st.Mode().IsRegular() {
		return fault.New(fault.Usage, "--out %s is not a file", out).WithHint("name a file")
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".platctl-*")
	if err != nil {
		return unwritable(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func unwritable(err error) error {
	return fault.Wrap(err, fault.Failed, "the page can't be written").WithHint("name a file in a folder that is there and that you can write to with --out")
}
