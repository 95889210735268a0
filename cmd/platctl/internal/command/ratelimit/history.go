package ratelimit

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/base/fault"
)

// HistoryResult is the data of `platctl ratelimit history --json`.
type HistoryResult struct {
	Versions []ratelimit.Entry `json:"versions"` // newest first
}

// maxHistory is how many versions one command prints.
const maxHistory = 1000

func newHistory(d *command.Deps) *cobra.Command {
	var limit int
	cmd := command.New(command.Spec{
		Use:   "history [--limit NUMBER]",
		Short: "List the limits that were in force, who set them and why",
		Long: "Lists the versions that were applied, newest first, each with what it changed. The first one in the list is in force.\n" +
			"`platctl ratelimit apply --version NUMBER` goes back to one of them.",
		Example: `
			platctl ratelimit history
			platctl ratelimit history --limit 3
			platctl ratelimit history --json | jq -r '.data.versions[] | "\(.version) \(.author) \(.why)"'`,
		Exits:  []int{6},
		Result: HistoryResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > maxHistory {
				return fault.New(fault.Usage, "--limit %d is not between 1 and %d", limit, maxHistory)
			}
			return with(ctx, d, func(k desk) error {
				versions, err := k.store.History(ctx, k.declared, limit)
				if err != nil {
					return err
				}
				return d.Printer(cmd).Result(HistoryResult{versions}, func(w io.Writer) error { return printHistory(w, versions) })
			})
		},
	})
	cmd.Flags().IntVar(&limit, "limit", 20, "how many versions to list")
	return cmd
}

func printHistory(w io.Writer, versions []ratelimit.Entry) error {
	if len(versions) == 0 {
		_, err := fmt.Fprintln(w, "no policy was ever applied: what the spec declares holds")
		return err
	}
	for _, v := range versions {
		_, err := fmt.Fprintf(w, "version %d, by %s at %s: %s\n", v.Version.Version, v.Author, v.AppliedAt.UTC().Format(time.RFC3339), v.Why)
		if err != nil {
			return err
		}
		for _, c := range v.Changes {
			if _, err := fmt.Fprintf(w, "  %s\n", c); err != nil {
				return err
			}
		}
	}
	return nil
}
