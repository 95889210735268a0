package command

import (
	"context"
	"net/url"
	"os/exec"
	"path/filepath"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/localpg"
)

// ClientProgram finds one of PostgreSQL's programs for clients, psql or pg_dump. It prefers the configured folder, then PATH, then the server's programs.
func ClientProgram(ctx context.Context, binDir, name string) (string, error) {
	if binDir != "" {
		return exec.LookPath(filepath.Join(binDir, name))
	}
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	bin, err := localpg.FindBinaries(ctx, "", 0)
	if err != nil {
		return "", err
	}
	p, err := exec.LookPath(bin.Path(name))
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "%s is not installed", name).WithHint("Debian: apt-get install postgresql-client")
	}
	return p, nil
}

// WithoutPassword takes the password out of a URL, for the command line of a program that gets it in its environment.
func WithoutPassword(raw string) (address, password string, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return "", "", fault.New(fault.Config, "database.url is not a URL, so its password can't be kept off a command line").
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
