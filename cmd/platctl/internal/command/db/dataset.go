package db

import (
	"fmt"
	"io"
	"strings"

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
