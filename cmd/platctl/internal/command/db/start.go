package db

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/base/localpg"
)

// StartResult is the data of `platctl db start --json`.
type StartResult struct {
	URL     string `json:"url"`
	Dir     string `json:"dir"`
	Socket  string `json:"socket"`
	PID     int    `json:"pid"`
	Started bool   `json:"started"` // false: it ran already
}

func newStart(d *command.Deps) *cobra.Command {
	cmd := command.New(command.Spec{
		Use:   "start [--dir DIR]",
		Short: "Start the private PostgreSQL, and make it where it is missing",
		Long: "Starts the PostgreSQL that platctl keeps in localpg.dir and makes the database " + command.PrivateDatabase + " in it. It listens on a\n" +
			"unix socket that only its owner and root can reach, and goes on when platctl ends. Where it runs already,\n" +
			"nothing changes. It touches no directory that isn't its own, and ignores database.url.",
		Example: `
			platctl db start
			platctl db start --dir /srv/market/postgres
			platctl db start --json | jq -r .data.url`,
		Exits:  []int{5, 6},
		Result: StartResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o, err := d.LocalPG()
			if err != nil {
				return err
			}
			return start(ctx, d, cmd, o)
		},
	})
	command.KeyFlag(cmd, "dir", "localpg.dir")
	return cmd
}

func start(ctx context.Context, d *command.Deps, cmd *cobra.Command, o localpg.Options) error {
	server, err := localpg.Start(ctx, o)
	if err != nil {
		return err
	}
	url, err := server.EnsureDatabase(ctx, command.PrivateDatabase)
	if err != nil {
		return err
	}
	res := StartResult{URL: url, Dir: server.Dir, Socket: server.Socket, PID: server.PID, Started: !server.Attached}
	return d.Printer(cmd).Result(res, func(w io.Writer) error {
		what := "started"
		if !res.Started {
			what = "runs already"
		}
		_, err := fmt.Fprintf(w, "PostgreSQL %s, process %d\n%s\n", what, res.PID, res.URL)
		return err
	})
}
