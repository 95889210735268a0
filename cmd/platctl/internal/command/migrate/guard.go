package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
	"github.com/platctl/platctl/internal/ops/compat"
	"github.com/platctl/platctl/internal/ops/migrate"
	"github.com/platctl/platctl/internal/ops/scratch"
)

// guard keeps a contract migration from breaking a release that somebody may go back to.
type guard struct {
	deps     *command.Deps
	m        *migrate.Migrator
	url      string
	retained []string // release directories; none: those on this host
	allow    []string // releases that may break
}

// ask implements migrate.Guard.
func (g *guard) ask(ctx context.Context, todo []*migrate.Migration) (string, error) {
	releases, err := knownReleases(ctx, g.deps, g.retained)
	if err != nil {
		return "", err
	}
	if len(releases) == 0 {
		g.deps.Streams.Say("warning: a migration of phase contract, and no release is kept on this host: none was checked")
		return "", nil
	}
	if err := g.known(releases); err != nil {
		return "", err
	}
	reports, err := judgeAfter(ctx, g.deps, g.m, g.url, releases, todo[len(todo)-1].Version)
	if err != nil {
		return "", err
	}
	var allowed []string
	for i, rep := range reports {
		if rep.Verdict == compat.Proven {
			continue
		}
		if !g.allows(releases[i]) {
			return "", refusal(rep)
		}
		allowed = append(allowed, fmt.Sprintf("--allow-breaking %s, which is %s: %s", rep.Release, strings.ToUpper(string(rep.Verdict)), rep.Findings[0].Reason))
		g.deps.Streams.Say("warning: %s is %s after this, which --allow-breaking allows", rep.Release, strings.ToUpper(string(rep.Verdict)))
	}
	return strings.Join(allowed, "; "), nil
}

func (g *guard) allows(r *compat.Release) bool { return slices.Contains(g.allow, r.Name) }

// known refuses names of releases that there are none of: a slip must not look like a permission.
func (g *guard) known(releases []*compat.Release) error {
	for _, name := range g.allow {
		if !slices.ContainsFunc(releases, func(r *compat.Release) bool { return r.Name == name }) {
			var names []string
			for _, r := range releases {
				names = append(names, r.Name)
			}
			return fault.New(fault.Usage, "--allow-breaking %s: no such release is kept; nothing was done", name).
				WithHint("there are: %s", strings.Join(names, ", "))
		}
	}
	return nil
}

func refusal(rep *compat.Report) error {
	err := fault.From(rep.Answer())
	if err.Kind == fault.Inconclusive {
		return err
	}
	return fault.New(fault.No, "%s would be %s on the schema after this: %s; nothing was done", rep.Release, strings.ToUpper(string(rep.Verdict)), rep.Findings[0].Line()).
		WithCode("would_break").
		WithHint("`platctl migrate compat --after up` lists all of it; remove the release when nobody goes back to it, or add --allow-breaking %q", rep.Release)
}

// judgeAfter tries the files in a database of its own, on the same server where the role may make one, else on the private
// PostgreSQL, and judges releases there.
func judgeAfter(ctx context.Context, d *command.Deps, m *migrate.Migrator, url string, releases []*compat.Release, to int64) (reports []*compat.Report, err error) {
	s, err := scratch.Make(ctx, url, "")
	if errors.Is(err, fault.Forbidden) {
		o, lerr := d.LocalPG()
		if lerr != nil {
			return nil, lerr
		}
		server, lerr := localpg.Start(ctx, o)
		if lerr != nil {
			return nil, fault.Wrap(err, fault.Inconclusive, "the migrations can't be tried: no database can be made for it, and no private PostgreSQL can be started").
				WithHint("give the role the right to make databases: alter role … createdb")
		}
		if !server.Attached {
			defer func() { _ = server.Stop(context.WithoutCancel(ctx)) }()
		}
		s, err = scratch.Make(ctx, server.URL("postgres"), "")
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Drop()) }()
	reports, err = compat.After(ctx, s.URL, m, releases, to)
	if err != nil {
		return nil, err
	}
	for i, r := range releases {
		live, err := judgeOne(ctx, url, r, "")
		if err != nil {
			return nil, err
		}
		reports[i].Merge(live)
	}
	return reports, nil
}
