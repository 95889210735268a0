package edge

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/host"
)

// StopResult is the data of `platctl edge stop --json`.
type StopResult struct {
	Stopped []string `json:"stopped"` // "edge" and release names
}

func newStop(d *command.Deps) *cobra.Command {
	var all bool
	cmd := command.New(command.Spec{
		Use:   "stop [--all]",
		Short: "Stop the edge after it has finished what it began",
		Long: "Sends the edge SIGTERM and waits for its soft drain: answers close their connections, then no new ones are taken,\n" +
			"then requests in flight finish. The releases keep running; with --all they are stopped as well, and the app\n" +
			"serves nothing. Exit 3 says that no edge runs.",
		Example: `
			platctl edge stop
			platctl edge stop --app shop
			platctl edge stop --all --json | jq -r '.data.stopped[]'`,
		Exits:  []int{3, 5},
		Result: StopResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			h, s, err := host.Open(d)
			if err != nil {
				return err
			}
			c := s.Config.Edge
			stopped, err := h.StopEdge(ctx, c.DrainDelay+c.ShutdownGrace+10*time.Second, all)
			if err != nil {
				return err
			}
			return d.Printer(cmd).Result(StopResult{Stopped: append([]string{}, stopped...)}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "stopped: %s\n", host.Or(strings.Join(stopped, ", "), "nothing was running"))
				return err
			})
		},
	})
	host.Flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "stop the releases too")
	return cmd
}
