package server

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/base/fault"
)

const (
	readyFor     = time.Second            // how long an answer is reused: a probe must not become load
	readyTimeout = 500 * time.Millisecond // how long the database may take to answer
)

// Outside is a service outside of this process that it can do without for a while. A breaker.Breaker is one.
type Outside interface {
	Name() string
	// Check returns nil while the service works. It is asked at each probe, so it tells what is known and calls nobody; the message
	// of its error is shown to anybody.
	Check() error
	Metrics() []prometheus.Collector
}

// readiness keeps what the database said last. It is asked once a second at most, however many probes come.
type readiness struct {
	mu    sync.Mutex
	at    time.Time
	check httpapi.Check
}

// Version implements httpapi.System.
func (s *Server) Version() string { return s.opts.Build.Version }

// Ready implements httpapi.System.
func (s *Server) Ready(ctx context.Context) (ready, active bool, checks []httpapi.Check) {
	accepting := httpapi.Check{Name: "accepting", Status: oas.CheckStatusOk}
	if s.draining.Load() {
		accepting.Status = oas.CheckStatusFailing
	}
	checks = []httpapi.Check{accepting, s.databaseCheck(ctx), s.revocationCheck()}
	for _, o := range s.opts.Outside {
		checks = append(checks, outsideCheck(o))
	}
	return !slices.ContainsFunc(checks, httpapi.Check.Failing), s.opts.Role.Active(), checks
}

func outsideCheck(o Outside) httpapi.Check {
	if err := o.Check(); err != nil {
		return httpapi.Check{Name: o.Name(), Status: oas.CheckStatusDegraded, Detail: fault.From(err).Message}
	}
	return httpapi.Check{Name: o.Name(), Status: oas.CheckStatusOk}
}

func (s *Server) databaseCheck(ctx context.Context) httpapi.Check {
	r := &s.ready
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) >= readyFor {
		r.check = s.askDatabase(ctx)
		r.at = time.Now()
	}
	return r.check
}

func (s *Server) askDatabase(ctx context.Context) httpapi.Check {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	c := httpapi.Check{Name: "database", Status: oas.CheckStatusOk}
	version, err := s.opts.SchemaVersion(ctx)
	switch {
	case err != nil:
		c.Status, c.Detail = oas.CheckStatusFailing, "does not answer"
		s.log.WarnContext(ctx, "not ready", "check", c.Name, "error", err)
	case version < s.opts.MinSchema:
		c.Status = oas.CheckStatusFailing
		c.Detail = fmt.Sprintf("schema %d is older than %d; run platctl migrate up", version, s.opts.MinSchema)
	case s.opts.BuiltSchema > 0 && version > s.opts.BuiltSchema:
		c.Status = oas.CheckStatusWarning // as a rollback leaves it
		c.Detail = fmt.Sprintf("schema %d is ahead of %d, the newest this release knows", version, s.opts.BuiltSchema)
	default:
		c.Detail = fmt.Sprintf("schema %d", version)
	}
	return c
}
