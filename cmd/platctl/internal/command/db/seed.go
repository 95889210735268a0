package db

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

type seedOptions struct {
	deps *command.Deps

	scale string
	seed  int64
	erase bool
	yes   bool
	dry   bool
}

func newSeed(d *command.Deps) *cobra.Command {
	o := seedOptions{deps: d}
	cmd := command.New(command.Spec{
		Use:   "seed [--scale SCALE] [--seed N] [--erase-existing-data [--yes]] [--dry-run]",
		Short: "Fill the database with a made-up community",
		Long: "Writes people, posts, follows, likes, comments, notifications, farms, products, orders and pictures with power-law\n" +
			"popularity. The same scale and seed make the same rows everywhere; the hash that is printed names the content.\n" +
			"Interrupted or killed, the same command goes on where it stopped. It refuses production, and a database that holds\n" +
			"anything else. Everybody in the dataset has the same password, which is printed. It doesn't migrate.\n" +
			"A dataset that is there already is counted: the answer is no when rows came to it or went.\n\n" +
			"Pictures are drawn: some thirty, which many rows share, with their files in the folder or bucket that is configured.\n\n" +
			"Scales, in people, posts and products: demo 12, 60 and 48, small 1,000, 20,000 and 3,000, medium 20,000, 600,000 and\n" +
			"200,000, large 100,000, 3,000,000 and 1,000,000.",
		Example: `
			platctl db seed
			platctl db seed --scale medium --erase-existing-data --dry-run
			platctl db seed --scale small --erase-existing-data --yes --json | jq -r .data.hash`,
		Exits:  []int{3, 4, 5, 6},
		Result: SeedResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			return o.run(ctx, cmd)
		},
	})
	cmd.Flags().StringVar(&o.scale, "scale", "demo", "how much: demo, small, medium or large")
	cmd.Flags().Int64Var(&o.seed, "seed", 1, "the number that the dataset is made from")
	cmd.Flags().BoolVar(&o.erase, "erase-existing-data", false, "first delete every person, farm and what belongs to them; asks")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.dry, "dry-run", false, "show what would be written, and what would be deleted; change nothing")
	return cmd
}

func (o seedOptions) run(ctx context.Context, cmd *cobra.Command) error {
	scale, err := seed.ScaleNamed(o.scale)
	if err != nil {
		return err
	}
	s, err := o.deps.Settings()
	if err != nil {
		return err
	}
	if s.Config.Environment == config.Production {
		return fault.New(fault.Refused, "made-up people with a known password don't go to production").
			WithHint("seed a database of another environment")
	}
	db, err := o.deps.Database(ctx)
	if err != nil {
		return err
	}
	conn, err := pg.Connect(ctx, db.URL, "platctl db seed")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	want := seed.Options{Scale: scale, Seed: o.seed, Erase: o.erase}
	if o.dry {
		return o.plan(ctx, cmd, conn, db.Shown, want)
	}
	if err := o.confirm(ctx, conn, db.Shown); err != nil {
		return err
	}
	return o.write(ctx, cmd, conn, db.Shown, want)
}

// write seeds, and shows how far it is.
func (o seedOptions) write(ctx context.Context, cmd *cobra.Command, conn *pgx.Conn, where string, want seed.Options) error {
	pictures, err := o.deps.Pictures(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	hasher := account.NewHasher(1, 1, time.Minute)
	defer hasher.Close()
	tell := progress(o.deps.Streams)
	want.Hasher, want.Store, want.Now, want.OnProgress = hasher, pictures.Store, time.Now(), tell.show
	res, err := seed.Run(ctx, conn, want)
	tell.end()
	if err != nil {
		return command.Interrupted(ctx, err, "what was written stays",
			"the same command, without --erase-existing-data, goes on where it stopped")
	}
	return o.print(cmd, SeedResult{Database: where, Result: res, Handle: seed.Handle, Password: seed.Password})
}

// confirm asks before anything is lost.
func (o seedOptions) confirm(ctx context.Context, conn *pgx.Conn, where string) error {
	if !o.erase || o.yes {
		return nil
	}
	st, err := seed.Inspect(ctx, conn)
	if err != nil || st.Empty {
		return err
	}
	if s := o.deps.Streams; !s.InTTY || !s.ErrTTY {
		return fault.New(fault.Refused, "%s holds %s, which --erase-existing-data would delete; there is no terminal to ask on", where, st.Holds()).
			WithHint("add --yes to lose it")
	}
	return o.deps.Streams.Confirm(ctx, fmt.Sprintf("%s holds %s. Delete every person and farm, and all that belongs to them?", where, st.Holds()))
}
