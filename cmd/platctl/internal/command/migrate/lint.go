package migrate

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/lint"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// LintResult is the data of `platctl migrate lint --json`.
type LintResult struct {
	*lint.Report
	Rules []lint.Rule `json:"rules"` // those that findings name; with --rules all of them
}

type lintOptions struct {
	Deps *command.Deps

	From   int64
	Server string
	Format string
	Rules  bool
	Style  bool
	Notes  bool
	Strict bool
	Files  []string
}

func newLint(d *command.Deps) *cobra.Command {
	o := lintOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "lint [FILE…] [--from VERSION] [--pg-version N] [--style] [--notes] [--strict] [--format table|markdown|sarif] [--rules] [--dir DIR]",
		Short: "Find statements that block traffic or break the release that runs",
		Long: "Judges the text of migrations without a server: which locks they take and how long they hold them (L), what breaks\n" +
			"the release that runs now (C, not in phase contract), taste (S, with --style). Every file is read, because the older\n" +
			"ones say what a table is; FILE and --from choose which are judged, up and down. The answer is no (3) when there is a\n" +
			"finding of severity error, which includes an allow that excuses nothing. Warnings, notes and style leave it 0. What\n" +
			"lint can't judge is \"needs trace\" and never ok: alone it leaves the answer 0, with --strict it is a no. The line\n" +
			"`-- platctl: allow RULE reason` excuses the next statement, or above the first section the file.",
		Example: `
			platctl migrate lint
			platctl migrate lint --dir db/migrations --from 20261122150000 --pg-version 16 --strict
			platctl migrate lint --json | jq -r '.data.findings[] | "\(.file):\(.line) \(.rule) \(.message)"'`,
		Exits:  []int{3},
		Result: LintResult{},
		Args:   cobra.ArbitraryArgs,
		Run: func(_ context.Context, cmd *cobra.Command, args []string) error {
			o.Files = args
			return runLint(d.Printer(cmd), o)
		},
	})
	cmd.Flags().Int64Var(&o.From, "from", 0, "judge this version and newer ones")
	cmd.Flags().StringVar(&o.Server, "pg-version", "15", "the version of PostgreSQL that the migrations are for")
	formatFlag(cmd, &o.Format, "table, markdown for a pull request, or sarif for code scanning", "table", "markdown", "sarif")
	cmd.Flags().BoolVar(&o.Rules, "rules", false, "list the rules, and judge nothing")
	cmd.Flags().BoolVar(&o.Style, "style", false, "also the rules of style, which only warn")
	cmd.Flags().BoolVar(&o.Notes, "notes", false, "also show notes, which are harmless with the runner's timeouts")
	cmd.Flags().BoolVar(&o.Strict, "strict", false, "answer no (3) also when a statement needs a trace")
	command.KeyFlag(cmd, "dir", "migrations.dir")
	return cmd
}

func runLint(p *output.Printer, o lintOptions) error {
	if o.Rules {
		return p.Result(LintResult{Report: &lint.Report{}, Rules: lint.Rules()}, func(w io.Writer) error { return ruleTable(p, w, lint.Rules()) })
	}
	server, err := lint.ParseServer(o.Server)
	if err != nil {
		return err
	}
	m, err := open(o.Deps, migrate.Options{})
	if err != nil {
		return err
	}
	wants, err := chosen(m.Migrations(), o)
	if err != nil {
		return err
	}
	rep := lint.Lint(m.Migrations(), lint.Options{Server: server, Style: o.Style, Wants: wants})
	return p.Answer(LintResult{rep, lint.Broken(rep.Findings)}, rep.Verdict(o.Strict), func(w io.Writer) error { return show(p, w, rep, o) })
}

// chosen returns which files are judged: all, those from a version on, or those that are named.
func chosen(all []*migrate.Migration, o lintOptions) (func(*migrate.Migration) bool, error) {
	named := map[*migrate.Migration]bool{}
	for _, f := range o.Files {
		base := filepath.Base(f)
		i := slices.IndexFunc(all, func(m *migrate.Migration) bool {
			return m.File == base || m.File == strings.Replace(base, ".down.sql", ".up.sql", 1)
		})
		if i < 0 {
			return nil, fault.New(fault.Usage, "%s is no migration of the folder", f).WithHint("set --dir to its folder")
		}
		named[all[i]] = true
	}
	return func(m *migrate.Migration) bool { return m.Version >= o.From && (len(named) == 0 || named[m]) }, nil
}

// show shows a report to people.
func show(p *output.Printer, w io.Writer, rep *lint.Report, o lintOptions) error {
	of := []lint.Severity{lint.Error, lint.Warning, lint.Style, lint.Trace}
	if o.Notes {
		of = append(of, lint.Note)
	}
	switch o.Format {
	case "markdown":
		return printed(w, rep.Markdown(of...))
	case "sarif":
		return printed(w, rep.SARIF(o.Deps.Build.Version))
	}
	return lintTable(p, w, rep, of)
}

func printed(w io.Writer, text string) error {
	_, err := fmt.Fprint(w, text)
	return err
}
