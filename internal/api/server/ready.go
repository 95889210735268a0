package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/platctl/platctl/internal/api/httpapi"
)

const (
	readyFor     = time.Second            // how long an answer is reused: a probe must not become load
	readyTimeout = 500 * time.Millisecond // how long the database may take to answer
)

// readiness answers /api/ready, asking the database once a second at most.
type readiness struct {
	mu     sync.Mutex
	at     time.Time
	ok     bool
	checks []httpapi.Check
}

// Version implements httpapi.System.
func (s *Server) Version() string { return s.opts.Build.Version }

// Ready implements httpapi.System.
func (s *Server) Ready(ctx context.Context) (ready, active bool, checks []httpapi.Check) {
	db, ok := s.databaseCheck(ctx)
	revocations := s.revocationCheck()
	checks = append(checks, httpapi.Check{Name: "accepting", OK: !s.draining.Load()}, db, revocations)
	return ok && revocations.OK && !s.draining.Load(), s.opts.Role.Active(), checks
}

func (s *Server) databaseCheck(ctx context.Context) (httpapi.Check, bool) {
	r := &s.ready
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) < readyFor && len(r.checks) == 1 {
		return r.checks[0], r.ok
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	c := httpapi.Check{Name: "database"}
	version, err := s.opts.SchemaVersion(ctx)
	switch {
	case err != nil:
		c.Detail = "does not answer"
		s.log.WarnContext(ctx, "not ready", "check", c.Name, "error", err)
	case version < s.opts.MinSchema:
		c.Detail = fmt.Sprintf("schema %d is older than %d; run platctl migrate up", version, s.opts.MinSchema)
	default:
		c.OK = true
		c.Detail = fmt.Sprintf("schema %d", version)
	}
	r.at, r.ok, r.checks = time.Now(), c.OK, []httpapi.Check{c}
	return c, c.OK
}
