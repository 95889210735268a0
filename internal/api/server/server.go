// Package server wires the API and runs it: services, middleware chain, listeners, readiness and the soft drain.
//
// Invariants: a request that reached the process is answered, also while it stops; nothing here migrates; the database pool
// closes after the last handler has ended. docs/architecture.md draws the way of a request.
package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/admission"
	"github.com/platctl/platctl/internal/api/cache"
	"github.com/platctl/platctl/internal/api/export"
	"github.com/platctl/platctl/internal/api/httpapi"
	"github.com/platctl/platctl/internal/api/idempotency"
	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/moderation"
	"github.com/platctl/platctl/internal/api/openapi"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/purge"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/api/retention"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/build"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/connlimit"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// Time limits of a connection and of a request.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 75 * time.Second // longer than the edge keeps its connections, so the edge closes first
	maxHeader         = 16 << 10
	retryAfter        = 3 // seconds at most
	jobWorkers        = 2
)

// Patience is how long a request waits and works at most. What is 0 is as in production.
type Patience struct {
	Queue time.Duration // for a slot; 0: 300 ms, no longer than a person notices
	Read  time.Duration // the budget of a GET; 0: 3 s
	Write time.Duration // the budget of any other request; 0: 5 s
}

const (
	queueWait   = 300 * time.Millisecond
	readBudget  = 3 * time.Second
	writeBudget = 5 * time.Second
)

func (p Patience) orDefault() Patience {
	return Patience{Queue: cmp.Or(p.Queue, queueWait), Read: cmp.Or(p.Read, readBudget), Write: cmp.Or(p.Write, writeBudget)}
}

// StatementTimeout is what the sessions of requests need on the server: the longest budget. A request whose budget is used up
// or whose client has left cancels its statement itself; this ends the one whose cancel request was lost.
const StatementTimeout = writeBudget

// Role tells whether this release takes traffic or waits in standby.
type Role interface {
	Active() bool
	// Watch returns Active and a channel that is closed when it may have changed.
	Watch() (active bool, changed <-chan struct{})
}

// Options is what a Server is made of.
type Options struct {
	Build         build.Info
	Log           *slog.Logger
	Pool          *pgxpool.Pool
	Hasher        *account.Hasher
	Keys          *keyring.Source
	IDKey         []byte // 16 bytes or more
	AccessTTL     time.Duration
	RefreshTTL    time.Duration
	MaxSessions   int           // live ones of an account; 0: session.DefaultMaxSessions
	DeletionGrace time.Duration // how long a deleted account can be restored
	DrainDelay    time.Duration
	ShutdownGrace time.Duration
	MinSchema     int64     // an older schema is not ready
	BuiltSchema   int64     // a newer one is a warning; 0: no schema is
	Outside       []Outside // what /api/ready shows as degraded and /metrics counts
	SchemaVersion func(ctx context.Context) (int64, error)
	Role          Role
	Debug         config.Debug
	Tracer        telemetry.Tracer
	Origins       []string // browsers' origins that may call the API
	Media         Media
	Limits        Limits
	MaxConnsPerIP int // on a TCP listener; 0: no limit
	Market        market.Options
	Patience      Patience
	CacheBytes    int64 // what kept answers may take; 0: nothing is kept
	// CacheRecheckOne of this many answers from the cache is made again and compared; 0: of 100.
	CacheRecheckOne uint32
	JobsPool        *pgxpool.Pool // for the job workers; nil: this server makes jobs and works none
	Mail            Mail
	Now             func() time.Time // for access tokens; nil: time.Now
	// FeedConnect opens the session that listens for revocations; nil: like the pool. It can't go through a pooler that shares
	// sessions between transactions.
	FeedConnect func(ctx context.Context) (*pgx.Conn, error)
}

// Server is the API of one release.
type Server struct {
	opts       Options
	log        *slog.Logger
	operations *oas.Server
	portal     *http.ServeMux
	handler    http.Handler
	sessions   *session.Service
	deny       *session.DenyMap
	feed       *session.Feed
	feedRun    feedRun
	cache      *cache.Cache
	jobs       *jobs.Queue
	market     *market.Service
	keys       *idempotency.Keys
	sent       *mail.Meter
	purger     *purge.Purger
	media      *media.Service
	uploads    chan struct{} // a place each
	keeper     *retention.Keeper
	metrics    *metrics
	ready      readiness
	draining   atomic.Bool
	inFlight   inFlight
	limit      *connlimit.Limit
	admission  *admission.Limiter
	origins    map[string]bool
	accounts   *account.Service
	limits     *ratelimit.Service
}

// New wires a Server. It hashes one password, so it takes about 30 ms.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Patience = o.Patience.orDefault()
	s := &Server{opts: o, log: o.Log, limit: connlimit.New(o.MaxConnsPerIP), uploads: make(chan struct{}, maxUploads)}
	ids, err := publicid.New(o.IDKey)
	if err != nil {
		return nil, err
	}
	tokens := account.NewTokens(o.Keys, ids, o.AccessTTL, o.Now)
	s.deny = session.NewDenyMap()
	if s.cache, err = s.newCache(); err != nil {
		return nil, err
	}
	s.feed = s.newFeed(s.deny)
	s.sessions = session.New(o.Pool, s.deny, session.Options{
		AccessTTL: o.AccessTTL, RefreshTTL: o.RefreshTTL, MaxSessions: int32(o.MaxSessions), Fenced: s.feed.Fenced,
	})
	s.jobs, err = jobs.New(jobs.Options{
		Pool: o.JobsPool, Log: o.Log, Role: o.Role, Workers: jobWorkers, Queues: map[string]int{media.Queue: max(o.Media.Workers, 1)},
	})
	if err != nil {
		return nil, err
	}
	confirmations, err := s.confirmations()
	if err != nil {
		return nil, err
	}
	if s.limits, err = s.newLimits(); err != nil {
		return nil, err
	}
	s.accounts, err = account.New(ctx, account.Options{
		DB: o.Pool, Hasher: o.Hasher, Tokens: tokens, Sessions: s.sessions, DeletionGrace: o.DeletionGrace, Confirmations: confirmations,
		VerifyEmail: o.Mail.VerifyAddresses, Dotless: o.Mail.Dotless, Gate: s.limits,
	})
	if err != nil {
		return nil, err
	}
	if o.Market.Log == nil {
		o.Market.Log = o.Log
	}
	s.market = market.New(o.Pool, o.Market)
	s.keys = idempotency.New(o.Pool)
	if s.media, err = newMedia(o, s.jobs, o.Pool, o.Log); err != nil {
		return nil, err
	}
	if s.operations, err = s.newOperations(db.New(o.Pool), ids, tokens); err != nil {
		return nil, err
	}
	s.background()
	s.periodic()
	slots := slotsPerConn * int(o.Pool.Config().MaxConns)
	s.admission = admission.New(slots, queuePerSlot*slots, s.opts.Patience.Queue)
	s.origins = exactly(o.Origins)
	s.metrics = newMetrics(s, o.Pool)
	s.portal = openapi.Portal(httpapi.WrongMethod(o.Log, "GET, HEAD"))
	s.handler = wrap(s.mux(), s.chain())
	return s, nil
}

// newOperations wires what the spec's operations call.
func (s *Server) newOperations(queries *db.Queries, ids *publicid.Codec, tokens *account.Tokens) (*oas.Server, error) {
	operations, err := httpapi.New(httpapi.Services{
		Account: s.accounts, Sessions: s.sessions, Timeline: timeline.New(queries), Market: s.market, System: s, IDs: ids, Log: s.log, Tokens: tokens,
		Export: export.New(queries, ids, s.opts.Media.pictureURL()), Media: s.media, PictureURL: s.opts.Media.pictureURL(),
		Moderation: moderation.New(s.opts.Pool, s.sessions, moderation.Options{
			OnReport: func(reason string) { s.metrics.reports.WithLabelValues(reason).Inc() },
			OnAct:    func(a moderation.Action) { s.metrics.acts.WithLabelValues(string(a)).Inc() },
		}),
	})
	return operations, fault.Op("wire server", err)
}

// mux sends the portal's paths to the portal, those of pictures to the store and everything else to the spec's operations.
func (s *Server) mux() http.Handler {
	operations := httpapi.KeepAgent(s.operations)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch s.route(r) {
		case "portal":
			s.portal.ServeHTTP(w, r)
		case "picture":
			s.servePicture(w, r)
		default:
			operations.ServeHTTP(w, r)
		}
	})
}

// Work runs jobs until ctx ends or the returned function is called, which waits for the running ones. Run does it too.
func (s *Server) Work(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.jobs.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// Handler returns the whole API with its middleware.
func (s *Server) Handler() http.Handler { return s.handler }

// Admin returns the handler of metrics and profiles.
func (s *Server) Admin() http.Handler { return s.metrics.adminHandler() }

// CutOff logs the requests being answered, oldest first, and returns how many they are: whoever calls it is about to end them.
func (s *Server) CutOff() int {
	requests := s.inFlight.table()
	for _, r := range requests {
		s.log.Error("cut off", "route", r.route, "age", r.age, "trace_id", r.traceID)
	}
	return len(requests)
}
