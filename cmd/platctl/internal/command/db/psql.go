package db

import (
	"context"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
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
	program, err := findPsql(ctx, s.Config.LocalPG.BinDir)
	if err != nil {
		return err
	}
	db, err := d.Database(ctx)
	if err != nil {
		return err
	}
	address, password, err := withoutPassword(db.URL)
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

// findPsql prefers the configured folder, then PATH, then the server's programs.
func findPsql(ctx context.Context, binDir string) (string, error) {
	if binDir != "" {
		return exec.LookPath(filepath.Join(binDir, "psql"))
	}
	if p, err := exec.LookPath("psql"); err == nil {
		return p, nil
	}
	bin, err := localpg.FindBinaries(ctx, "", 0)
	if err != nil {
		return "", err
	}
	p, err := exec.LookPath(bin.Path("psql"))
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "psql is not installed").WithHint("Debian: apt-get install postgresql-client")
	}
	return p, nil
}

// withoutPassword takes the password out of a URL.
func withoutPassword(raw string) (address, password string, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return "", "", fault.New(fault.Config, "database.url is not a URL, so its password can't be kept off psql's command line").
			WithHint("write it as postgres://user:password@host:5432/name")
	}
	if u.User != nil {
		password, _ = u.User.Password()
		u.User = url.User(u.User.Username())
	}
	if q := u.Query(); q.Has("password") {
		password = q.Get("password")
		q.Del("password")
		u.RawQuery = q.Encode()
	}
	return u.String(), password, nil
}
