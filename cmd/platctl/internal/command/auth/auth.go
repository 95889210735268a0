// Package auth is `platctl auth`: who is logged in, and how fast a server learns that somebody no longer is.
package auth

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/moderation"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/pg"
)

// New returns `platctl auth`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("auth", "Look at sessions and end them, and say who moderates",
		newStatus(d), newSessions(d), newRevoke(d), newBan(d), newUnban(d), newRole(d), newPurge(d))
}

// desk is what an operator's command works with.
type desk struct {
	conn       *pgx.Conn
	sessions   *session.Service
	moderation *moderation.Service
	operator   moderation.Actor // who types, for the moderation log
}

// with opens the database for run.
func with(ctx context.Context, d *command.Deps, run func(desk) error) error {
	s, err := d.Settings()
	if err != nil {
		return err
	}
	database, err := d.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, database.URL, "platctl auth")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	a := s.Config.Auth
	sessions := session.New(conn, session.NewDenyMap(), session.Options{AccessTTL: a.AccessTTL, RefreshTTL: a.RefreshTTL})
	return command.Explain(run(desk{conn, sessions, moderation.New(conn, sessions, moderation.Options{}),
		moderation.Actor{Operator: d.Operator()}}))
}
