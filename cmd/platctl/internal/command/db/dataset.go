package db

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/base/fault"
)

// SeedResult is the data of `platctl db seed --json`.
type SeedResult struct {
	Database string `json:"database"` // without a password
	seed.Result
	Handle   string `json:"handle"`   // an account of the dataset
	Password string `json:"password"` // of every account in it
	DryRun   bool   `json:"dry_run"`
	Holds    string `json:"holds,omitempty"` // with --dry-run: what the database holds now, in words
}

// plan says what a seeding would do.
func (o seedOptions) plan(ctx context.Context, cmd *cobra.Command, conn *pgx.Conn, where string, want seed.Options) error {
	st, err := seed.Inspect(ctx, conn)
	if err == nil {
		err = want.Refuses(st)
	}
	if err != nil {
		return err
	}
	res := SeedResult{Database: where, Handle: seed.Handle, Password: seed.Password, DryRun: true, Holds: st.Holds()}
	res.Dataset = want.Name()
	res.Resumed = !st.Empty && !want.Erase && !st.Complete
	what := "would be written"
	switch {
	case !st.Empty && want.Erase:
		what = "every person and farm would be deleted, with all that belongs to them, and " + res.Dataset + " written"
	case res.Resumed:
		what = "would be gone on with"
	case !st.Empty:
		what = "would be counted, and not written again"
	}
	return o.deps.Printer(cmd).Result(res, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "nothing was changed. %s holds %s\ndataset %s: %s\n", where, st.Holds(), res.Dataset, what)
		return err
	})
}

func (o seedOptions) print(cmd *cobra.Command, res SeedResult) error {
	return o.deps.Printer(cmd).Answer(res, changed(res), func(w io.Writer) error {
		what := fmt.Sprintf("wrote %d rows and %d pictures in %.1f s", res.Written, res.Files, res.Seconds)
		if res.Written == 0 {
			what = "it was all there"
		}
		if len(res.Differs) > 0 {
			what = "it was written, and has changed"
		}
		if _, err := fmt.Fprintf(w, "dataset %s: %s\nhash %s\nlogin %s / %s\n", res.Dataset, what, res.Hash, res.Handle, res.Password); err != nil {
			return err
		}
		for _, d := range res.Differs {
			if _, err := fmt.Fprintf(w, "%s: %d rows, %d were written\n", d.Table, d.Now, d.Seeded); err != nil {
				return err
			}
		}
		return nil
	})
}

// changed says no when the rows are no longer those that the hash names.
func changed(res SeedResult) error {
	if len(res.Differs) == 0 {
		return nil
	}
	var names []string
	for _, d := range res.Differs {
		names = append(names, d.Table)
	}
	return fault.New(fault.No, "the dataset %s is no longer what was written: rows came or went in %s", res.Dataset, strings.Join(names, ", ")).
		WithHint("go on with it as it is, or write it anew with --erase-existing-data")
}
