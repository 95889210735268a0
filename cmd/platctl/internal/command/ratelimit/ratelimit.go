// Package ratelimit is `platctl ratelimit`: which request limits are in force, who set them and why, and setting others.
package ratelimit

import (
	"context"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/openapi"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
	"github.com/platctl/platctl/internal/base/pg"
)

// New returns `platctl ratelimit`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("ratelimit", "Show and set how often clients may call the API",
		newShow(d), newDiff(d), newApply(d), newHistory(d))
}

// desk is what these commands work with.
type desk struct {
	store    *ratelimit.Store
	declared limits.Policy // of this platctl's spec, in the mode that holds while nothing is applied
}

// with opens the database for run.
func with(ctx context.Context, d *command.Deps, run func(desk) error) error {
	s, err := d.Settings()
	if err != nil {
		return err
	}
	declared, err := ratelimit.Declared(openapi.Spec())
	if err != nil {
		return err
	}
	without, _ := s.Config.LimitModes()
	declared.Mode = limits.Mode(without)
	database, err := d.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, database.URL, "platctl ratelimit")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return run(desk{ratelimit.NewStore(conn), declared})
}

// newest returns the version in force, with everything that it leaves to what is declared.
func (k desk) newest(ctx context.Context) (ratelimit.Version, error) {
	v, err := k.store.Newest(ctx)
	if err == nil && v.Version == 0 {
		v.Policy = k.declared
	}
	return k.whole(v), err
}

// whole returns a version as servers enforce it.
func (k desk) whole(v ratelimit.Version) ratelimit.Version {
	v.Policy = v.Policy.Over(k.declared)
	return v
}

// source is where a policy comes from: a file, or a version to go back to.
type source struct {
	Stdin   io.Reader
	File    string
	Version int64
}

func sourceFlag(cmd *cobra.Command, s *source) {
	cmd.Flags().Int64Var(&s.Version, "version", 0, "take this version of the history instead of a file; 0 is what the spec declares")
}

// use fills s from what was typed.
func (s *source) use(d *command.Deps, cmd *cobra.Command, args []string) error {
	s.Stdin = d.Streams.In
	versioned := cmd.Flags().Changed("version")
	switch {
	case versioned == (len(args) == 1):
		return fault.New(fault.Usage, "it takes either a file or --version NUMBER").
			WithHint("`platctl ratelimit show --export` prints a file to start from, `platctl ratelimit history` lists versions")
	case versioned && s.Version < 0:
		return fault.New(fault.Usage, "--version %d is not the number of a version", s.Version).WithHint("`platctl ratelimit history` lists them")
	case !versioned:
		s.File = args[0]
	}
	return nil
}

// nothing is the policy that leaves everything to what is declared.
func (k desk) nothing() limits.Policy { return limits.Policy{Mode: k.declared.Mode, Percent: 100} }

// policy reads the policy as it is, and returns it with what it leaves to the declaration too.
func (s source) policy(ctx context.Context, k desk) (as, whole limits.Policy, err error) {
	switch {
	case s.Version > 0:
		v, err := k.store.Get(ctx, s.Version)
		return v.Policy, k.whole(v).Policy, err
	case s.File == "":
		return k.nothing(), k.declared, nil
	}
	if as, err = s.read(); err != nil {
		return as, whole, err
	}
	for name := range as.Operations {
		if _, ok := k.declared.Operations[name]; !ok {
			return as, whole, fault.New(fault.Invalid, "the API has no operation %q: a limit on it would limit nobody", name).
				WithHint("`platctl ratelimit show --operations` lists them")
		}
	}
	whole = as.Over(k.declared)
	if err := whole.Validate(); err != nil {
		return as, whole, err
	}
	for _, name := range slices.Sorted(maps.Keys(as.Classes)) {
		if _, ok := k.declared.Classes[name]; !ok && !used(whole, name) {
			return as, whole, fault.New(fault.Invalid, "no operation is in the class %q: its limits would limit nobody", name).
				WithHint("`platctl ratelimit show` lists the classes; operations in the file can name a new one")
		}
	}
	return as, whole, nil
}

// used says whether some operation is in a class.
func used(p limits.Policy, class string) bool {
	if p.Reads == class || p.Writes == class {
		return true
	}
	for _, o := range p.Operations {
		if o.Class == class {
			return true
		}
	}
	return false
}

// maxFile is more than any policy has: enough to refuse a file that is none before it is read whole.
const maxFile = 1 << 20

func (s source) read() (limits.Policy, error) {
	in := s.Stdin
	if s.File != "-" {
		f, err := os.Open(s.File)
		if err != nil {
			return limits.Policy{}, fault.Wrap(err, fault.Usage, "the file of limits can't be read")
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile))
	if err != nil {
		return limits.Policy{}, fault.Wrap(err, fault.Usage, "the file of limits can't be read")
	}
	return limits.Parse(data)
}
