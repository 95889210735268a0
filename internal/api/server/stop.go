package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Step is one thing that is done when the server stops. Its name stands in the log.
type Step struct {
	Name string
	Do   func() error
}

// run is a server that serves.
type run struct {
	*Server
	http     *http.Server
	busy     *connections
	listener net.Listener
	failed   chan error // what Serve returned
	delay    time.Duration
	stopJobs func() // they fetch no more
	jobsEnd  func() // waits for those that run
}

// steps is how a server stops, in this order. Each needs what ends after it: a request its feeds, its trace and its connection, a
// job as well.
func (r *run) steps() []Step {
	return []Step{
		{"not ready", r.leave}, // whoever routes to us looks away; answers ask for a new connection; jobs fetch no more
		{"drain", r.linger},    // the listener stays open for those who did not look yet
		{"shutdown", r.close},  // no new request; those under way end
		{"jobs", r.endJobs},    // those under way end, within their own time
		{"feeds", r.endFeeds},  // revocations, cache busts, keys and limits: every request and job needed to know them
	}
}

// Run follows the revocations and serves on l until ctx ends; then it stops, step by step, and does the steps of then. It returns nil
// when every request was answered. Every step is done, also when one before it failed.
func (s *Server) Run(ctx context.Context, l net.Listener, then ...Step) error {
	s.Start(ctx)
	r := &run{Server: s, busy: newConnections(), listener: l, failed: make(chan error, 1), delay: s.opts.DrainDelay}
	r.http = &http.Server{
		Handler: s.handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn), ConnState: r.busy.observe,
	}
	var fetch context.Context
	fetch, r.stopJobs = context.WithCancel(context.WithoutCancel(ctx))
	r.jobsEnd = s.Work(fetch)
	go func() { r.failed <- r.http.Serve(s.limit.Listen(l)) }()
	var err error
	steps := append(r.steps(), then...)
	select {
	case err = <-r.failed:
		err = fault.Op("serve", err)
		r.failed <- nil // for the step that waits for it
		r.delay = 0     // nobody comes
	case <-ctx.Done():
	}
	for _, step := range steps {
		s.log.Info("stopping", "step", step.Name, "in_flight", s.inFlight.count())
		err = errors.Join(err, step.Do())
	}
	return err
}

func (r *run) leave() error {
	r.draining.Store(true)
	r.stopJobs()
	return nil
}

func (r *run) linger() error {
	time.Sleep(r.delay)
	return nil
}

// close closes the listener and waits for connections with a request under way, which http.Server.Shutdown would drop when it was
// read from a fresh connection (golang/go#75591). Then Shutdown, all within ShutdownGrace.
func (r *run) close() error {
	grace, cancel := context.WithTimeout(context.Background(), r.opts.ShutdownGrace)
	defer cancel()
	_ = r.listener.Close()
	<-r.failed // Serve has let go of the listener; Shutdown would close it a second time and report that
	r.busy.wait(grace)
	if err := r.http.Shutdown(grace); err != nil {
		requests, conns := r.CutOff(), r.busy.count()
		_ = r.http.Close()
		return fault.Wrap(err, fault.Failed, "%d requests on %d busy connections were cut off after %s", requests, conns, r.opts.ShutdownGrace)
	}
	return nil
}

func (r *run) endJobs() error {
	r.jobsEnd()
	return nil
}

func (r *run) endFeeds() error {
	r.Stop()
	return nil
}
