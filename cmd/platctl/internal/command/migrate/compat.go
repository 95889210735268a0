package migrate

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/host"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/compat"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// CompatResult is the data of `platctl migrate compat --json`.
type CompatResult struct {
	Database string           `json:"database"` // without a password
	Verdict  compat.Verdict   `json:"verdict"`  // the worst of the releases'
	Releases []*compat.Report `json:"releases"`
}

type compatOptions struct {
	Deps    *command.Deps
	Printer *output.Printer

	Contract string
	Releases []string
	Role     string
	After    string
}

func newCompat(d *command.Deps) *cobra.Command {
	o := compatOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "compat [--contract FILE | --release DIR] [--after up] [--role NAME] [--database URL] [--dir DIR]",
		Short: "Tell whether a release can run on the schema as it is now",
		Long: "Holds the SQL contract of a release against the live schema, without --contract and --release of each release that is\n" +
			"kept on this host: what the migrations above it declare, every statement prepared and planned, and the catalogue\n" +
			"compared fact by fact. PROVEN: every statement is planned and every difference is known to be harmless. BROKEN names\n" +
			"the statement, the SQLSTATE and the migration; UNPROVEN the reason. Both answer 3. It runs no statement, changes\n" +
			"nothing and waits 200 ms for a lock at most; what it can't look at then is inconclusive (7). --after up judges the\n" +
			"schema that `platctl migrate up` would leave, in a database of its own that is made from the files and dropped.",
		Example: `
			platctl migrate compat
			platctl migrate compat --release dist/1.4.0
			platctl migrate compat --contract old/sqlcontract.json --json | jq -r '.data.releases[].findings[] | .reason'`,
		Exits:  []int{3, 6, 7},
		Result: CompatResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			o.Printer = d.Printer(cmd)
			return runCompat(ctx, o)
		},
	})
	cmd.Flags().StringVar(&o.Contract, "contract", "", "a file that platctl migrate contract wrote")
	cmd.Flags().StringArrayVar(&o.Releases, "release", nil, "a release directory; may be given again (default: those on this host)")
	cmd.Flags().StringVar(&o.Role, "role", "", "the role that the release has in the database (default: that of the connection)")
	cmd.Flags().StringVar(&o.After, "after", "", "up: judge the schema that the pending migrations would leave")
	command.KeyFlag(cmd, "database", "database.url")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	command.KeyFlag(cmd, "app", "deploy.app")
	command.KeyFlag(cmd, "root", "deploy.root")
	return cmd
}

func runCompat(ctx context.Context, o compatOptions) error {
	releases, err := o.releases(ctx)
	if err != nil {
		return err
	}
	db, err := o.Deps.Database(ctx)
	if err != nil {
		return err
	}
	res := CompatResult{Database: db.Shown, Verdict: compat.Proven}
	if res.Releases, err = o.judge(ctx, db, releases); err != nil {
		return err
	}
	var answer error
	for _, rep := range res.Releases {
		for _, n := range rep.Notes {
			o.Deps.Streams.Say("note: %s: %s", rep.Release, n)
		}
		if compat.Worse(rep.Verdict, res.Verdict) {
			res.Verdict, answer = rep.Verdict, rep.Answer()
		}
	}
	return o.Printer.Answer(res, answer, func(w io.Writer) error { return compatTable(o.Printer, w, res.Releases) })
}

// judge judges each release on the schema as it is, or as it would be.
func (o compatOptions) judge(ctx context.Context, db *command.Database, releases []*compat.Release) ([]*compat.Report, error) {
	if o.After == "up" {
		m, err := open(o.Deps, migrate.Options{})
		if err != nil {
			return nil, err
		}
		return judgeAfter(ctx, o.Deps, m, db.URL, releases, m.Latest())
	}
	if o.After != "" {
		return nil, fault.New(fault.Usage, "--after %s: there is only up", o.After)
	}
	out := []*compat.Report{}
	for _, r := range releases {
		rep, err := judgeOne(ctx, db.URL, r, o.Role)
		if err != nil {
			return nil, err
		}
		out = append(out, rep)
	}
	return out, nil
}

// judgeOne uses a session of its own: a judge changes it.
func judgeOne(ctx context.Context, url string, r *compat.Release, role string) (*compat.Report, error) {
	conn, err := pg.Connect(ctx, url, "platctl migrate compat")
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return compat.Judge(ctx, conn, r.Contract, compat.Options{Release: r.Name, App: r.App, Min: r.Min, Role: role})
}

// releases reads what is to be judged.
func (o compatOptions) releases(ctx context.Context) ([]*compat.Release, error) {
	if o.Contract != "" && len(o.Releases) > 0 {
		return nil, fault.New(fault.Usage, "--contract and --release exclude each other")
	}
	if o.Contract != "" {
		c, err := manifest.ReadContract(o.Contract)
		if err != nil {
			return nil, err
		}
		return []*compat.Release{{Name: filepath.Base(o.Contract), Contract: c}}, nil
	}
	out, err := knownReleases(ctx, o.Deps, o.Releases)
	if err == nil && len(out) == 0 {
		err = fault.New(fault.Usage, "no release is kept on this host").
			WithHint("give --release DIR, or --contract FILE that `platctl migrate contract` wrote")
	}
	return out, err
}

// knownReleases reads the releases in dirs, without any those that are kept on this host.
func knownReleases(ctx context.Context, d *command.Deps, dirs []string) ([]*compat.Release, error) {
	var names []string
	if len(dirs) == 0 {
		h, _, err := host.Open(d)
		if err != nil {
			return nil, err
		}
		for _, r := range h.Retained(ctx) {
			dirs, names = append(dirs, r.Dir), append(names, r.ID)
		}
	}
	var out []*compat.Release
	for i, dir := range dirs {
		r, err := compat.ReadRelease(dir)
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		if names != nil {
			r.Name = names[i]
		}
		out = append(out, r)
	}
	return out, nil
}

func compatTable(p *output.Printer, w io.Writer, reports []*compat.Report) error {
	var rows [][]string
	for _, r := range reports {
		if len(r.Findings) == 0 {
			rows = append(rows, []string{r.Release, strings.ToUpper(string(r.Verdict)), "-", "-",
				fmt.Sprintf("%d of %d statements planned on schema %d, built on %d", r.Planned, r.Statements, r.Schema, r.BuiltOn)})
		}
		for _, f := range r.Findings {
			rows = append(rows, []string{r.Release, strings.ToUpper(string(f.Verdict)), dash(f.SQLState), dash(strings.Join(f.Migrations, " or ")),
				strings.Join(strings.Fields(f.Reason), " ") + concerned(f)})
		}
	}
	return p.Table(w, []string{"RELEASE", "VERDICT", "SQLSTATE", "BY", "REASON"}, rows)
}

// concerned names the first statements of a finding that is about the catalogue.
func concerned(f compat.Finding) string {
	const most = 3
	if f.Layer == compat.Statements || len(f.Statements) == 0 {
		return ""
	}
	if n := len(f.Statements); n > most {
		return fmt.Sprintf(" (%s and %d more)", strings.Join(f.Statements[:most], ", "), n-most)
	}
	return " (" + strings.Join(f.Statements, ", ") + ")"
}
