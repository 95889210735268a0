package db

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
)

func newStatus(d *command.Deps) *cobra.Command {
	cmd := command.New(command.Spec{
		Use:   "status [--dir DIR]",
		Short: "Tell whether the private PostgreSQL runs",
		Long:  "Prints what the private PostgreSQL does, and where. It starts nothing and takes no lock.",
		Example: `
			platctl db status
			platctl db status --dir /srv/market/postgres
			platctl db status --json | jq -r .data.state`,
		Exits:  []int{3},
		Result: localpg.Status{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o, err := d.LocalPG()
			if err != nil {
				return err
			}
			st, err := localpg.Look(ctx, o)
			if err != nil {
				return err
			}
			if st.URL != "" { // the same as start's, not the one of the server's own database
				st.URL = (&localpg.Server{Socket: st.Socket}).URL(command.PrivateDatabase)
			}
			p := d.Printer(cmd)
			return p.Answer(st, verdict(st), func(w io.Writer) error {
				return p.Table(w, []string{"PROPERTY", "VALUE"}, rows(st))
			})
		},
	})
	command.KeyFlag(cmd, "dir", "localpg.dir")
	return cmd
}

func verdict(st localpg.Status) error {
	switch st.State {
	case localpg.Running:
		return nil
	case localpg.Sick:
		return fault.New(fault.No, "PostgreSQL runs as process %d and can't be reached", st.PID).
			WithHint("`platctl db stop`, then `platctl db start`; its log is %s", st.Log)
	}
	return fault.New(fault.No, "PostgreSQL doesn't run: %s", st.State).WithHint("`platctl db start` starts it")
}

func rows(st localpg.Status) [][]string {
	out := [][]string{{"state", string(st.State)}, {"dir", st.Dir}, {"owner", st.Owner}}
	add := func(name, value string) {
		if value != "" {
			out = append(out, []string{name, value})
		}
	}
	add("version", st.Version)
	if st.PID > 0 {
		add("pid", strconv.Itoa(st.PID))
		add("started", st.StartedAt.Format(time.RFC3339))
	}
	add("socket", st.Socket)
	add("url", st.URL)
	add("log", st.Log)
	return out
}
