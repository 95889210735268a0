// Package media is `platctl media`: how the pictures are doing, and what an operator does about those that are not.
package media

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/base/pg"
)

// New returns `platctl media`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("media", "Look at pictures, try failed ones again, remove what nothing needs",
		newStatus(d), newRetry(d), newGC(d))
}

// with opens the database for run.
func with(ctx context.Context, d *command.Deps, run func(*pgx.Conn) error) error {
	database, err := d.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, database.URL, "platctl media")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return command.Explain(run(conn))
}

// desk opens database and store for run. It makes jobs, and works on none.
func desk(ctx context.Context, d *command.Deps, run func(*media.Service) error) error {
	log := slog.New(slog.DiscardHandler) // what happens is in the result
	p, err := d.Pictures(log)
	if err != nil {
		return err
	}
	queue, err := jobs.New(jobs.Options{Log: log})
	if err != nil {
		return err
	}
	return with(ctx, d, func(conn *pgx.Conn) error {
		s, err := media.New(media.Options{DB: conn, Jobs: queue, Store: p.Store, Dir: p.WorkDir, Limits: p.Limits, Log: log})
		if err != nil {
			return err
		}
		return run(s)
	})
}
