// Package status is `platctl status`.
package status

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/host"
	"github.com/platctl/platctl/internal/ops/deploy"
)

// New returns `platctl status`.
func New(d *command.Deps) *cobra.Command {
	cmd := command.New(command.Spec{
		Use:   "status",
		Short: "Show what serves on this host, and where a rollback would go",
		Long: "Shows the edge, the release in charge and since when, the one in standby, their requests as the edge counted\n" +
			"them, where a rollback would go and whether that is warm. It changes nothing. Exit 3 says that nothing serves.",
		Example: `
			platctl status
			platctl status --app shop
			platctl status --json | jq -r '.data.rollback.to'`,
		Exits:  []int{3},
		Result: deploy.Status{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			h, _, err := host.Open(d)
			if err != nil {
				return err
			}
			s, err := h.Status(ctx)
			return d.Printer(cmd).Answer(s, err, func(w io.Writer) error { return show(w, d.Now(), s) })
		},
	})
	host.Flags(cmd)
	return cmd
}

func show(w io.Writer, now time.Time, s *deploy.Status) error {
	p := &lines{w: w}
	if s.Edge.Running {
		p.add("edge", "on %s, process %d, up %s", s.Edge.Listen, s.Edge.PID, now.Sub(s.Edge.Since).Round(time.Second))
	} else {
		p.add("edge", "not running")
	}
	p.release(now, "serves", s.Active)
	p.release(now, "standby", s.Standby)
	switch {
	case s.Rollback.To == "":
		p.add("rollback", "impossible: %s", s.Rollback.Why)
	case s.Rollback.Warm:
		p.add("rollback", "to %s, warm: at once", s.Rollback.To)
	default:
		p.add("rollback", "to %s, after starting it", s.Rollback.To)
	}
	if s.Lock != nil {
		p.add("lock", "%s on %s runs `platctl %s` since %s", s.Lock.Owner.User, s.Lock.Owner.Host, s.Lock.Command, s.Lock.Acquired.Format(time.RFC3339))
	}
	for _, text := range s.Problems {
		p.add("problem", "%s", text)
	}
	return p.err
}

type lines struct {
	w   io.Writer
	err error
}

func (l *lines) add(name, format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
}

func (l *lines) release(now time.Time, name string, r *deploy.Running) {
	if r == nil {
		return
	}
	state := "does not answer"
	if r.Alive {
		state = fmt.Sprintf("process %d, role %s", r.PID, host.Or(string(r.Role), "unknown"))
	}
	l.add(name, "%s (%s), put in charge %s, %s", r.ID, r.Verdict, host.Ago(now, r.Served), state)
	l.add("", "requests %d, failed %d, retried elsewhere %d, in flight %d", r.Counts.Requests, r.Counts.Failed, r.Counts.Retried, r.Counts.InFlight)
}
