package serve

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/localpg"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/migrate"
)

const (
	stopTimeout  = 30 * time.Second // of the private PostgreSQL
	jobConns     = 6                // two workers, one of pictures, the queue's own and its listener
	jobStatement = 30 * time.Second
)

// pools is the connections of requests and those of jobs apart: neither waits for the other's.
type pools struct{ requests, jobs *pgxpool.Pool }

func (p pools) close() {
	for _, pool := range []*pgxpool.Pool{p.jobs, p.requests} {
		if pool != nil {
			pool.Close()
		}
	}
}

// open opens both. A job's statement may take its time.
func (o *options) open(ctx context.Context, url string) (p pools, err error) {
	p.requests, err = pg.Open(ctx, url, pg.Options{AppName: "platctl serve", MaxConns: o.set.Config.Database.MaxConns,
		StatementTimeout: server.StatementTimeout, Tracer: o.traces.Queries(), Warm: postgres.Warm})
	if err == nil {
		p.jobs, err = pg.Open(ctx, url, pg.Options{AppName: "platctl jobs", MaxConns: jobConns, StatementTimeout: jobStatement,
			Listens: true, Tracer: o.traces.Queries()})
	}
	if err != nil {
		p.close()
	}
	return p, err
}

// database opens the pools. With --dev it first migrates the private PostgreSQL, and release stops that again if it was
// started here.
func (o *options) database(ctx context.Context) (pools, func(), error) {
	db, err := o.deps.Database(ctx)
	if err != nil {
		return pools{}, nil, err
	}
	stop := func() {}
	if o.dev && db.Private != nil && !db.Private.Attached {
		stop = func() { o.stopPrivate(ctx, db.Private) }
	}
	if o.dev {
		err = o.migrate(ctx, db.URL)
	}
	var p pools
	if err == nil {
		p, err = o.open(ctx, db.URL)
	}
	if err != nil {
		stop()
		return pools{}, nil, err
	}
	return p, func() { p.close(); stop() }, nil
}

func (o *options) stopPrivate(ctx context.Context, s *localpg.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		o.log.Warn("the private PostgreSQL still runs", "error", err)
	}
}

// migrate is for --dev only: in production a deploy migrates, never a server.
func (o *options) migrate(ctx context.Context, url string) error {
	files, err := o.deps.MigrationFiles()
	if err != nil {
		return err
	}
	m, err := migrate.New(files, migrate.Options{ToolVersion: o.deps.Build.Version})
	if err != nil {
		return err
	}
	_, err = m.Up(ctx, url, 0)
	return err
}
