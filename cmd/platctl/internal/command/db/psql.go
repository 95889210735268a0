package db

import (
	"context"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/base/fault"
)

func newPsql(d *command.Deps) *cobra.Command {
	return command.New(command.Spec{
		Use:   "psql [-- ARGS...]",
		Short: "Open psql on the database that platctl uses",
		Long: "Becomes psql on database.url, or on the private PostgreSQL, which it starts where it doesn't run. What stands behind\n" +
			"-- goes to psql, and psql's exit code is the answer. The password is handed over in the environment, not on the\n" +
			"command line. PG* variables of yours are left out, so that they can't lead elsewhere.",
		Example: `
			platctl db psql
			platctl db psql -- -c 'select version()'
			platctl db psql -- -XAtc 'select count(*) from platctl.migrations'`,
		Exits:  []int{5, 6},
		Result: command.NoResult{},
		Args:   cobra.ArbitraryArgs,
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 0 && len(args) > 0 {
				return fault.New(fault.Usage, "%q stands before --", args[0]).WithHint("platctl db psql -- %s", strings.Join(args, " "))
			}
			return psql(ctx, d, args)
		},
	})
}

func psql(ctx context.Context, d *command.Deps, args []string) error {
	s, err := d.Settings()
	if err != nil {
		return err
	}
	program, err := command.ClientProgram(ctx, s.Config.LocalPG.BinDir, "psql")
	if err != nil {
		return err
	}
	db, err := d.Database(ctx)
	if err != nil {
		return err
	}
	address, password, err := command.WithoutPassword(db.URL)
	if err != nil {
		return err
	}
	env := s.Environ(func(name string) bool { return !strings.HasPrefix(name, "PG") })
	if password != "" {
		env = append(env, "PGPASSWORD="+password)
	}
	err = syscall.Exec(program, append([]string{"psql", "--dbname", address}, args...), env)
	return fault.Wrap(err, fault.Failed, "%s can't be run", program)
}
