// Package host opens the app on this host for the commands that change or show what runs: deploy, rollback, status,
// history and edge.
//
// Invariants: it turns settings into options and events into lines of the conversation, and decides nothing.
package host

import (
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/ops/deploy"
	"github.com/platctl/platctl/internal/ops/ledger"
)

// Flags adds the flags that say which app, and where.
func Flags(cmd *cobra.Command) {
	command.KeyFlag(cmd, "app", "deploy.app")
	command.KeyFlag(cmd, "root", "deploy.root")
}

// Open returns the app that the settings name. It touches nothing.
func Open(d *command.Deps) (*deploy.Host, *settings.Settings, error) {
	s, err := d.Settings()
	if err != nil {
		return nil, nil, err
	}
	c := s.Config
	root := c.Deploy.Root
	if root == "" {
		root = filepath.Join(c.StateDir, "apps")
	}
	h, err := deploy.New(deploy.Options{
		Root: root, App: c.Deploy.App, ReadyTimeout: c.Deploy.ReadyTimeout, DrainTimeout: c.Deploy.DrainTimeout,
		LockTTL: c.Deploy.LockTTL, Env: s.Environ(func(string) bool { return true }), Actor: actor(s.Lookup), Now: d.Now,
		Notify: func(p deploy.Progress) { say(d, p) },
	})
	return h, s, err
}

func say(d *command.Deps, p deploy.Progress) {
	if p.Warn {
		d.Streams.Say("warning: %s", p.Text)
		return
	}
	d.Streams.Say("%-8s %s", p.Step, p.Text)
}

// actor is who runs the command, for the ledger.
func actor(lookup func(string) (string, bool)) ledger.Actor {
	a := ledger.Actor{PID: os.Getpid(), User: "unknown"}
	if u, err := user.Current(); err == nil {
		a.User = u.Username
	}
	if by, ok := lookup("SUDO_USER"); ok && by != "" {
		a.User = by
	}
	a.Host, _ = os.Hostname()
	for _, name := range []string{"CI_JOB_URL", "BUILD_URL"} {
		if url, ok := lookup(name); ok {
			a.CIURL = url
		}
	}
	if server, ok := lookup("GITHUB_SERVER_URL"); ok {
		repo, _ := lookup("GITHUB_REPOSITORY")
		id, _ := lookup("GITHUB_RUN_ID")
		a.CIURL = server + "/" + repo + "/actions/runs/" + id
	}
	return a
}

// Logger is the log of an edge that runs in the foreground.
func Logger(d *command.Deps, c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // the settings have checked it
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" || c.Format == "auto" && d.Streams.ErrTTY {
		return slog.New(slog.NewTextHandler(d.Streams.Err, o))
	}
	return slog.New(slog.NewJSONHandler(d.Streams.Err, o))
}

// Ago says how long before now t was, for people.
func Ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	age := now.Sub(t)
	if age < time.Minute {
		return age.Round(time.Second).String() + " ago"
	}
	return age.Round(time.Minute).String() + " ago"
}

// Or returns s, or other where s is empty.
func Or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
