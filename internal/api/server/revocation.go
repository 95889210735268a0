package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/pg"
)

// feedStart is how long a start waits for the first read of the revocations and of the limits. Without the first the server
// serves all the same, asks the database at each request and is not ready; without the second it begins with what the spec declares.
const feedStart = 3 * time.Second

// feedRun is one run of the revocation feed, and of what follows the signing keys beside it.
type feedRun struct {
	mu   sync.Mutex
	stop func()
}

// newFeed makes the feed of this server, with a session of its own beside the pool.
func (s *Server) newFeed(deny *session.DenyMap) *session.Feed {
	connect := s.opts.FeedConnect
	if connect == nil {
		connect = besidePool(s.opts.Pool, "platctl revocations")
	}
	o := session.FeedOptions{
		Replica: replicaName(), Connect: connect, Log: s.log,
		Observe:     func(lag time.Duration) { s.metrics.revocationLag.Observe(lag.Seconds()) },
		ObserveBust: s.cache.Metrics.ObserveBust,
	}
	if s.cache.On() {
		o.Busts = s.cache
	}
	return session.NewFeed(deny, o)
}

// besidePool connects like the pool does, outside of it.
func besidePool(pool *pgxpool.Pool, name string) func(ctx context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		cfg := pg.ForListening(pool.Config().ConnConfig)
		cfg.Tracer = nil
		cfg.RuntimeParams["application_name"] = name
		return pgx.ConnectConfig(ctx, cfg)
	}
}

// replicaName is unique and tells a person where to look.
func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), hex.EncodeToString(b[:]))
}

// Start follows the revocations, the signing keys and the limits until Stop. Run does both; whoever serves Handler by other means calls
// them. Starting twice is starting once.
func (s *Server) Start(ctx context.Context) {
	s.feedRun.mu.Lock()
	defer s.feedRun.mu.Unlock()
	if s.feedRun.stop != nil {
		return
	}
	follow, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.feed.Run(follow) })
	running.Go(func() { s.opts.Keys.Run(follow, keyring.PollEvery) })
	running.Go(func() { s.limits.Run(follow) })
	s.feedRun.stop = func() {
		cancel()
		running.Wait()
	}
	patience, done := context.WithTimeout(ctx, feedStart)
	defer done()
	for _, loaded := range []<-chan struct{}{s.feed.Loaded(), s.limits.Loaded()} {
		select {
		case <-loaded:
		case <-patience.Done():
		}
	}
}

// Stop ends what Start began, and waits for it.
func (s *Server) Stop() {
	s.feedRun.mu.Lock()
	defer s.feedRun.mu.Unlock()
	if s.feedRun.stop != nil {
		s.feedRun.stop()
		s.feedRun.stop = nil
	}
}

// revocationCheck fails while this server may have missed a revocation: it still answers correctly, and slower.
func (s *Server) revocationCheck() httpapi.Check {
	if !s.feed.Fenced() {
		return httpapi.Check{Name: "revocations", Status: oas.CheckStatusOk}
	}
	c := httpapi.Check{Name: "revocations", Status: oas.CheckStatusFailing, Detail: "not read yet; sessions are checked in the database"}
	if age, ok := s.feed.Age(); ok {
		c.Detail = fmt.Sprintf("last read %.0f s ago; sessions are checked in the database", age.Seconds())
	}
	return c
}
