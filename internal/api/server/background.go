package server

import (
	"context"

	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/purge"
	"github.com/platctl/platctl/internal/api/retention"
)

// background gives the jobs what the server does by the clock.
func (s *Server) background() {
	pool := s.opts.JobsPool
	if pool == nil {
		pool = s.opts.Pool
	}
	s.purger = purge.New(purge.Options{DB: pool, Log: s.log})
	jobs.Handle(s.jobs, func(ctx context.Context, _ purge.Job) error { return s.purger.Due(ctx) })
	s.jobs.Every(purge.Every, purge.Job{})
	s.keeper = retention.New(pool, s.log)
	jobs.Handle(s.jobs, func(ctx context.Context, _ retention.Job) error { return s.keeper.Apply(ctx) })
	s.jobs.Every(retention.Every, retention.Job{})
}
