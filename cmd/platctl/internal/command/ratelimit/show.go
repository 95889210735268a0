package ratelimit

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/base/limits"
)

type showOptions struct {
	Printer *output.Printer

	InForce    bool // else Version
	Version    int64
	Export     bool
	Operations bool
}

func newShow(d *command.Deps) *cobra.Command {
	var o showOptions
	cmd := command.New(command.Spec{
		Use:   "show [--version NUMBER] [--operations] [--export]",
		Short: "Show the limits in force",
		Long: "Shows the policy that every server enforces: the newest one that was applied, or, while none was, what the spec\n" +
			"declares. Limits are a rate and a burst in units of cost; an operation costs one unit unless it says otherwise.\n" +
			"--export prints the file that `platctl ratelimit apply` takes. It changes nothing.",
		Example: `
			platctl ratelimit show
			platctl ratelimit show --version 3 --operations
			platctl ratelimit show --export > limits.yaml`,
		Exits:  []int{6},
		Result: ratelimit.Version{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o.Printer, o.InForce = d.Printer(cmd), !cmd.Flags().Changed("version")
			return with(ctx, d, func(k desk) error { return show(ctx, k, o) })
		},
	})
	cmd.Flags().Int64Var(&o.Version, "version", 0, "show this version of the history, 0: what the spec declares (default: the one in force)")
	cmd.Flags().BoolVar(&o.Operations, "operations", false, "list every operation with its class and cost")
	cmd.Flags().BoolVar(&o.Export, "export", false, "print the file instead of a table")
	return cmd
}

func show(ctx context.Context, k desk, o showOptions) error {
	v, err := k.version(ctx, o)
	if err != nil {
		return err
	}
	return o.Printer.Result(v, func(w io.Writer) error {
		switch {
		case o.Export:
			file, err := v.Policy.Marshal()
			if err == nil {
				_, err = w.Write(file)
			}
			return err
		case o.Operations:
			return o.Printer.Table(w, []string{"OPERATION", "CLASS", "COST"}, operationRows(v.Policy))
		}
		if _, err := fmt.Fprintln(w, head(v, o.InForce)); err != nil {
			return err
		}
		return o.Printer.Table(w, []string{"CLASS", "MODE", "ANONYMOUS", "USER", "MODERATOR", "ACCOUNT", "ALL TOGETHER", "OPERATIONS"}, classRows(v.Policy))
	})
}

func (k desk) version(ctx context.Context, o showOptions) (ratelimit.Version, error) {
	switch {
	case o.InForce:
		return k.newest(ctx)
	case o.Version == 0:
		return ratelimit.Version{Policy: k.declared}, nil
	}
	v, err := k.store.Get(ctx, o.Version)
	return k.whole(v), err
}

// head is a version in one line.
func head(v ratelimit.Version, inForce bool) string {
	what := "what the spec declares"
	switch {
	case inForce && v.Version == 0:
		what = "no policy is applied: what the spec declares holds"
	case v.Version > 0:
		what = fmt.Sprintf("version %d, by %s at %s: %s", v.Version, v.Author, v.AppliedAt.UTC().Format(time.RFC3339), v.Why)
	}
	mode := string(v.Policy.Mode)
	if v.Policy.Mode == limits.Enforce && v.Policy.Percent < 100 {
		mode += fmt.Sprintf(" for %d %% of the clients", v.Policy.Percent)
	}
	return what + "\nmode " + mode
}

func classRows(p limits.Policy) [][]string {
	count := map[string]int{}
	for _, o := range p.Operations {
		count[o.Class]++
	}
	text := func(l *limits.Limit) string {
		if l == nil {
			return "-"
		}
		return l.String()
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(p.Classes)) {
		c := p.Classes[name]
		mode := string(p.Mode)
		if c.Mode != "" {
			mode = string(p.Mode.Weaker(c.Mode))
		}
		rows = append(rows, []string{name, mode, text(c.Anonymous), text(c.User), text(c.Moderator), text(c.Account), text(c.Global), strconv.Itoa(count[name])})
	}
	return rows
}

func operationRows(p limits.Policy) [][]string {
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(p.Operations)) {
		o := p.Operations[name]
		rows = append(rows, []string{name, o.Class, strconv.FormatInt(max(o.Cost, 1), 10)})
	}
	return rows
}
