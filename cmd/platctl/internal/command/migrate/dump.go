package migrate

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// DumpResult is the data of `platctl migrate dump --json`.
type DumpResult struct {
	Database string   `json:"database"`          // without a password
	File     string   `json:"file,omitempty"`    // written or compared
	SQL      string   `json:"sql,omitempty"`     // where no file is named
	Differs  []string `json:"differs,omitempty"` // lines: - only the file has, + only the database
}

type dumpOptions struct {
	Deps *command.Deps

	Output string
	Check  string
}

func newDump(d *command.Deps) *cobra.Command {
	o := dumpOptions{Deps: d}
	cmd := command.New(command.Spec{
		Use:   "dump [--output FILE | --check FILE]",
		Short: "Write the schema as SQL, the same bytes each time",
		Long: "Runs PostgreSQL's pg_dump, which has to be as new as the server, and leaves out rows, owners, the ledger and what differs\n" +
			"from one dump to the next: versions, the token of \\restrict. --check compares with a file that was written so; the\n" +
			"answer is no (3) where they differ.",
		Example: `
			platctl migrate dump
			platctl migrate dump --output db/schema.sql
			platctl migrate dump --check db/schema.sql --json | jq -r '.data.differs[]?'`,
		Exits:  []int{3, 5, 6},
		Result: DumpResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return runDump(ctx, d.Printer(cmd), o)
		},
	})
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "write to this file instead of standard output")
	cmd.Flags().StringVar(&o.Check, "check", "", "compare with this file and write nothing")
	return cmd
}

func runDump(ctx context.Context, p *output.Printer, o dumpOptions) error {
	if o.Output != "" && o.Check != "" {
		return fault.New(fault.Usage, "--output writes a file and --check writes none").WithHint("give one of them")
	}
	sql, shown, err := dump(ctx, o.Deps)
	if err != nil {
		return err
	}
	res := DumpResult{Database: shown, File: o.Output + o.Check}
	switch {
	case o.Check != "":
		return check(p, res, sql)
	case o.Output != "":
		if err := durable.WriteFile(o.Output, []byte(sql), 0o644); err != nil {
			return fault.Wrap(err, fault.Failed, "the dump can't be written")
		}
		return p.Result(res, func(w io.Writer) error { _, err := fmt.Fprintf(w, "wrote %s\n", o.Output); return err })
	}
	res.SQL = sql
	return p.Result(res, func(w io.Writer) error { _, err := io.WriteString(w, sql); return err })
}

func check(p *output.Printer, res DumpResult, sql string) error {
	was, err := os.ReadFile(res.File)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the file can't be read").WithHint("platctl migrate dump --output %s writes it", res.File)
	}
	if string(was) == sql {
		return p.Result(res, func(w io.Writer) error { _, err := fmt.Fprintf(w, "%s is the schema\n", res.File); return err })
	}
	res.Differs = migrate.DiffLines(string(was), sql)
	err = fault.New(fault.No, "the schema is not the one of %s: %d lines differ", res.File, len(res.Differs)).
		WithHint("platctl migrate dump --output %s writes what it is", res.File)
	return p.Answer(res, err, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, strings.Join(res.Differs, "\n"))
		return err
	})
}

// dump returns the schema of the database that the settings name, and the URL as it can be shown.
func dump(ctx context.Context, d *command.Deps) (sql, shown string, err error) {
	s, err := d.Settings()
	if err != nil {
		return "", "", err
	}
	program, err := command.ClientProgram(ctx, s.Config.LocalPG.BinDir, "pg_dump")
	if err != nil {
		return "", "", err
	}
	db, err := d.Database(ctx)
	if err != nil {
		return "", "", err
	}
	address, password, err := command.WithoutPassword(db.URL)
	if err != nil {
		return "", "", err
	}
	env := s.Environ(func(name string) bool { return !strings.HasPrefix(name, "PG") })
	if password != "" {
		env = append(env, "PGPASSWORD="+password)
	}
	sql, err = migrate.Dumper{Program: program, URL: address, Env: env}.Dump(ctx)
	return sql, db.Shown, err
}
