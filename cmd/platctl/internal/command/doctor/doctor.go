// Package doctor is `platctl doctor`: is this machine ready, and what is to be done if not.
package doctor

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
	"github.com/platctl/platctl/internal/ops/doctor"
	"github.com/platctl/platctl/internal/perf/k6"
)

// Result is the data of `platctl doctor --json`.
type Result struct {
	Failed int            `json:"failed"`
	Checks []doctor.Check `json:"checks"`
}

// Options is what `platctl doctor` needs.
type Options struct {
	Settings func() (*settings.Settings, error)
	Printer  *output.Printer
}

// New returns `platctl doctor`.
func New(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "doctor",
		Short: "Check what this machine needs, and say what to do",
		Long: "Looks for Go, git, PostgreSQL's server programs and our k6, and checks the configuration, the addresses to listen on,\n" +
			"the state directory and the disk. A check that warns leaves the main thing working. It changes nothing, starts\n" +
			"nothing and goes to no network.",
		Example: `
			platctl doctor
			platctl doctor --config configs/production.yaml
			platctl doctor --json | jq -r '.data.checks[] | select(.status != "ok") | .next'`,
		Exits:  []int{3},
		Result: Result{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return run(ctx, &Options{Settings: d.Settings, Printer: d.Printer(cmd)})
		},
	})
}

func run(ctx context.Context, o *Options) error {
	s, err := o.Settings()
	var c *config.Config
	if err == nil {
		c = &s.Config
	}
	opts := doctor.Options{Config: c, ConfigErr: err,
		Postgres: func(ctx context.Context) (string, error) { return findPostgres(ctx, c) },
		K6:       func(ctx context.Context) (string, error) { return findK6(ctx, c) },
	}
	checks := doctor.Run(ctx, opts)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	res := Result{Failed: doctor.Failed(checks), Checks: checks}
	var answer error
	if res.Failed > 0 {
		answer = fault.New(fault.No, "%d of %d checks failed", res.Failed, len(checks)).WithHint("do the next steps above")
	}
	return o.Printer.Answer(res, answer, func(w io.Writer) error {
		rows := make([][]string, len(checks))
		for i, k := range checks {
			rows[i] = []string{string(k.Status), k.Name, k.Found, k.Next}
		}
		return o.Printer.Table(w, []string{"STATUS", "CHECK", "FOUND", "NEXT"}, rows)
	})
}

func findPostgres(ctx context.Context, c *config.Config) (string, error) {
	b, err := localpg.FindBinaries(ctx, c.LocalPG.BinDir, 0)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s in %s", b.Version, b.Dir), nil
}

func findK6(ctx context.Context, c *config.Config) (string, error) {
	self, _ := os.Executable() // without it the PATH is what is left
	setting := ""
	if c != nil {
		setting = c.Perf.K6
	}
	b, err := k6.Find(ctx, setting, self)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, extension %s", b.Path, b.Info.Extension), nil
}
