package migrate

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
	"github.com/platctl/platctl/internal/ops/migrate"
	"github.com/platctl/platctl/internal/ops/trace"
)

type traceOptions struct {
	deps *command.Deps

	from, to    int64
	rows        int
	template    string
	onItsServer bool
	sizesFrom   string
	format      string
}

func newTrace(d *command.Deps) *cobra.Command {
	o := traceOptions{deps: d}
	cmd := command.New(command.Spec{
		Use:   "trace [--from VERSION] [--to VERSION] [--rows N] [--template DATABASE] [--on-its-server] [--sizes-from URL] [--format table|markdown] [--dir DIR]",
		Short: "Let a real PostgreSQL judge the migrations",
		Long: "Runs each file up, down and up again on a scratch database, exactly as `platctl migrate up` would, and tells which\n" +
			"locks each statement took and whom they stop, what it rewrote and read whole, and what the way down loses. The\n" +
			"scratch database is made on the private PostgreSQL and dropped at the end; tables are filled with made-up rows, so\n" +
			"that what depends on data shows. It never touches database.url, unless --on-its-server says so: then the scratch\n" +
			"database is a copy on that server, which production is refused.\n\n" +
			"The answer is no (3) when a statement stops reads or writes of a table that was there before while it reads or\n" +
			"rewrites a whole table, or when a way down is lossy. It is 1 when a migration fails.",
		Example: `
			platctl migrate trace
			platctl migrate trace --from 20261122150000 --sizes-from "$REPLICA_URL"
			platctl migrate trace --from "$FIRST" --format markdown > comment.md || test $? -eq 3`,
		Exits:  []int{3, 4, 5, 6},
		Result: trace.Report{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return o.run(ctx, d.Printer(cmd))
		},
	})
	f := cmd.Flags()
	f.Int64Var(&o.from, "from", 0, "the first version to trace; what stands before it is only applied")
	f.Int64Var(&o.to, "to", 0, "the last version to trace")
	f.IntVar(&o.rows, "rows", 1000, "how many rows an empty table gets before a file; 0 for none")
	f.StringVar(&o.template, "template", "", "start with a copy of this database of the server, instead of an empty one")
	f.BoolVar(&o.onItsServer, "on-its-server", false, "make the scratch database on the server of database.url, as a copy of that database")
	f.StringVar(&o.sizesFrom, "sizes-from", "", "the URL of a database whose sizes and rates the estimates are for; it is only read")
	formatFlag(cmd, &o.format, "table, or markdown for a pull request", "table", "markdown")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func (o traceOptions) run(ctx context.Context, p *output.Printer) error {
	if err := o.check(); err != nil {
		return err
	}
	want, err := o.want(ctx)
	if err != nil {
		return err
	}
	rep, err := trace.Run(ctx, want)
	if err == nil {
		err = rep.Verdict()
	}
	if len(rep.Files) == 0 && err != nil {
		return err
	}
	if rep.Sizes != nil {
		o.deps.Streams.Say("%s", rep.Sizes)
	}
	return p.Answer(rep, err, func(w io.Writer) error {
		if o.format == "markdown" {
			return rep.Markdown(w)
		}
		return traced(p, w, rep)
	})
}

func (o traceOptions) check() error {
	switch {
	case o.from < 0 || o.to < 0:
		return fault.New(fault.Usage, "--from and --to are versions, above 0")
	case o.to > 0 && o.from > o.to:
		return fault.New(fault.Usage, "--from %d is above --to %d", o.from, o.to)
	case o.rows < 0 || o.rows > 10_000_000:
		return fault.New(fault.Usage, "--rows %d is not between 0 and 10000000", o.rows)
	case o.template != "" && o.onItsServer:
		return fault.New(fault.Usage, "--on-its-server copies the database of database.url, and --template names another")
	}
	return nil
}

// want gathers what the trace needs: the files, and a server for the scratch database.
func (o traceOptions) want(ctx context.Context) (trace.Options, error) {
	out := trace.Options{From: o.from, To: o.to, Rows: o.rows, Template: o.template, Sizes: o.sizesFrom, OnStep: tell(o.deps)}
	s, err := o.deps.Settings()
	if err != nil {
		return out, err
	}
	if out.Files, err = o.deps.MigrationFiles(); err != nil {
		return out, err
	}
	out.Migrate = migrate.Options{ToolVersion: o.deps.Build.Version, Env: s.Lookup}
	if o.onItsServer {
		if s.Config.Environment == config.Production {
			return out, fault.New(fault.Refused, "no scratch database is made on the server of production").
				WithHint("without --on-its-server it is made on the private PostgreSQL; --sizes-from reads production's sizes")
		}
		db, err := o.deps.Database(ctx)
		if err != nil {
			return out, err
		}
		out.Server = db.URL
		out.Template, err = trace.Copyable(ctx, db.URL)
		return out, err
	}
	out.Server, err = o.private(ctx)
	return out, err
}

// private is the private PostgreSQL, whatever database.url says.
func (o traceOptions) private(ctx context.Context) (string, error) {
	lo, err := o.deps.LocalPG()
	if err != nil {
		return "", err
	}
	server, err := localpg.Start(ctx, lo)
	if err != nil {
		return "", err
	}
	if !server.Attached {
		o.deps.Streams.Say("started the private PostgreSQL in %s, process %d", server.Dir, server.PID)
	}
	return server.URL("postgres"), nil
}

// tell says which file is traced.
func tell(d *command.Deps) func(trace.Step) {
	return func(s trace.Step) {
		switch s.Doing {
		case "untraced":
			d.Streams.Say("applying what stands before, up to %d_%s", s.Version, s.Name)
		case "up":
			d.Streams.Say("%d of %d: %d_%s", s.N, s.Of, s.Version, s.Name)
		}
	}
}

// traced is the report for people: a line a statement, and what is to be said of each file.
func traced(p *output.Printer, w io.Writer, rep *trace.Report) error {
	var rows [][]string
	for _, f := range rep.Files {
		for _, way := range []struct {
			name string
			all  []*trace.Statement
		}{{"up", f.Up}, {"down", f.Down}} {
			for _, s := range way.all {
				rows = append(rows, []string{fmt.Sprintf("%d_%s", f.Version, f.Name), fmt.Sprintf("%s %d", way.name, s.Index), dash(s.LockText()),
					dash(s.BlockText()), dash(strings.Join(s.Rewrites, " ")), dash(s.ScanText()), fmt.Sprintf("%.1f ms", s.TookMS), s.SQL})
			}
		}
	}
	if err := p.Table(w, []string{"FILE", "STATEMENT", "LOCKS", "STOPS", "REWRITES", "READS", "TOOK", "SQL"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, f := range rep.Files {
		for _, n := range f.Notes() {
			rows = append(rows, []string{fmt.Sprintf("%d_%s", f.Version, f.Name), n.What, n.Text})
		}
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return p.Table(w, []string{"FILE", "WHAT", "SEEN"}, rows)
}
