// Package edge is `platctl edge` and `platctl edge stop`.
package edge

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/host"
	"github.com/platctl/platctl/internal/base/clientaddr"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/edge"
)

// Result is the data of `platctl edge --json`: with --detach once the edge answers, else when it has stopped.
type Result struct {
	Listen  string `json:"listen"`
	PID     int    `json:"pid"`
	Log     string `json:"log,omitempty"` // of an edge in the background
	Stopped bool   `json:"stopped"`
}

// New returns `platctl edge`.
func New(d *command.Deps) *cobra.Command {
	var detach bool
	cmd := command.New(command.Spec{
		Use:   "edge [--listen HOST:PORT] [--detach]",
		Short: "Run the proxy in front of the releases",
		Long: "Owns the address that clients talk to and routes every request to the release in charge; `platctl deploy` and\n" +
			"`platctl rollback` tell it which. It restores its routes when it starts, needs no database, and on SIGTERM\n" +
			"finishes what it has begun. It starts and stops no release. Exit 5 says that the address is taken or that the\n" +
			"app has an edge already.",
		Example: `
			platctl edge --detach
			platctl edge --listen 0.0.0.0:80 --detach
			platctl edge --detach --json | jq -r .data.pid`,
		Exits:  []int{5},
		Result: Result{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			if detach {
				return background(ctx, d, cmd)
			}
			return foreground(ctx, d, cmd)
		},
	})
	host.Flags(cmd)
	command.KeyFlag(cmd, "listen", "edge.listen")
	command.KeyFlag(cmd, "admin-listen", "edge.admin_listen")
	command.KeyFlag(cmd, "drain-delay", "edge.drain_delay")
	cmd.Flags().BoolVar(&detach, "detach", false, "run in the background; return once it answers")
	cmd.AddCommand(newStop(d))
	return cmd
}

func foreground(ctx context.Context, d *command.Deps, cmd *cobra.Command) error {
	h, s, err := host.Open(d)
	if err != nil {
		return err
	}
	c := s.Config.Edge
	clients, err := clientaddr.New(c.Proxies, c.ProxyHeader)
	if err != nil {
		return err
	}
	o, err := h.EdgeOptions(edge.Options{
		Listen: c.Listen, AdminListen: c.AdminListen, DrainDelay: c.DrainDelay, Grace: c.ShutdownGrace, MaxConnsPerIP: c.MaxConnsPerIP, Clients: clients,
		Version: d.Build.Version, Log: host.Logger(d, s.Config.Log), Now: d.Now,
	})
	if err != nil {
		return err
	}
	e, err := edge.New(o)
	if err != nil {
		return err
	}
	if err := e.Run(ctx); err != nil {
		return err
	}
	return print(d, cmd, Result{Listen: e.Addr(), PID: os.Getpid(), Stopped: true})
}

// background runs this same program with the same flags, but --detach and --json.
func background(ctx context.Context, d *command.Deps, cmd *cobra.Command) error {
	h, _, err := host.Open(d)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fault.Wrap(err, fault.Failed, "platctl can't find its own program")
	}
	args := []string{"edge"}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "detach" && f.Name != "json" {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	st, err := h.StartEdge(ctx, self, args)
	if err != nil {
		return err
	}
	return print(d, cmd, Result{Listen: st.Listen, PID: st.Process.PID, Log: h.EdgeLog()})
}

func print(d *command.Deps, cmd *cobra.Command, r Result) error {
	return d.Printer(cmd).Result(r, func(w io.Writer) error {
		text := fmt.Sprintf("edge stopped; it listened on %s", r.Listen)
		if !r.Stopped {
			text = fmt.Sprintf("edge on %s, process %d; its log is %s", r.Listen, r.PID, r.Log)
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
}
