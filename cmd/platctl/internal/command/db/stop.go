package db

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/base/localpg"
)

// StopResult is the data of `platctl db stop --json`.
type StopResult struct {
	Dir string `json:"dir"`
	PID int    `json:"pid"` // the process that was stopped; 0: none ran
}

func newStop(d *command.Deps) *cobra.Command {
	cmd := command.New(command.Spec{
		Use:   "stop [--dir DIR]",
		Short: "Stop the private PostgreSQL",
		Long: "Ends every session, rolls back what is open and stops the server. What was committed stays. Where no server\n" +
			"runs, nothing happens. It deletes nothing.",
		Example: `
			platctl db stop
			platctl db stop --dir /srv/market/postgres
			platctl db stop --json | jq .data.pid`,
		Exits:  []int{5},
		Result: StopResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o, err := d.LocalPG()
			if err != nil {
				return err
			}
			res := StopResult{Dir: o.Dir}
			if res.PID, err = localpg.Stop(ctx, o); err != nil {
				return err
			}
			return d.Printer(cmd).Result(res, func(w io.Writer) error {
				text := fmt.Sprintf("stopped PostgreSQL, process %d\n", res.PID)
				if res.PID == 0 {
					text = "PostgreSQL doesn't run in " + res.Dir + "\n"
				}
				_, err := io.WriteString(w, text)
				return err
			})
		},
	})
	command.KeyFlag(cmd, "dir", "localpg.dir")
	return cmd
}
