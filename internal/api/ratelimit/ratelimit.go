package ratelimit

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/limits"
)

const (
	pollEvery    = 400 * time.Millisecond // a policy is promised within a second
	pollPatience = 2 * time.Second        // for a connection or an answer
	staffEvery   = 10 * time.Second
	warnEvery    = time.Minute
)

// Options shapes a Service.
type Options struct {
	Declared limits.Policy // what holds until a policy is applied, in the mode that it says
	Most     limits.Mode   // what a policy may do at the most; empty: whatever it says
	// Connect opens the connection over which servers share: beside the pool.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	// Accounts is where clients' debts are kept for all servers; nil: in PostgreSQL, over the same connection.
	Accounts Accounts
	Log      *slog.Logger
	Secret   []byte // hides who tries to log in
	DB       db.DBTX
	Refused  func(Refusal) // hears of every request beyond a limit; may be nil
}

// Refusal is a request beyond a limit.
type Refusal struct {
	Class, Operation string
	Limit            string // client, global or account
	Enforced         bool   // else it was admitted, in shadow
}

// Service limits the requests of one server.
type Service struct {
	opts     Options
	limiter  *limits.Limiter
	line     *line
	accounts Accounts
	first    chan struct{} // closed after the first answer of the database
	once     sync.Once
	staff    atomic.Pointer[map[int64]bool]
	version  atomic.Int64
	polled   atomic.Int64 // nanoseconds since born; 0: never
	born     time.Time

	warning  sync.Mutex // of warnedAt
	warnedAt time.Time

	// Only Run's goroutine uses these.
	unreadable int64 // version that could not be read
	staffAt    time.Time
}

// New returns a Service that enforces what is declared until Run knows better.
func New(o Options) (*Service, error) {
	if err := o.Declared.Validate(); err != nil {
		return nil, err
	}
	if o.Refused == nil {
		o.Refused = func(Refusal) {}
	}
	s := &Service{opts: o, line: newLine(o.Connect), first: make(chan struct{}), born: time.Now()}
	s.staff.Store(&map[int64]bool{})
	if s.accounts = o.Accounts; s.accounts == nil {
		s.accounts = ledger{s.line}
	}
	s.limiter = limits.New(s.bounded(o.Declared), limits.Options{Now: s.now, Lender: s.accounts})
	return s, nil
}

// now is the monotonic time.
func (s *Service) now() time.Duration { return time.Since(s.born) }

// Client is who a request comes from. The middleware puts it into the context of a request.
type Client struct {
	Address netip.Addr
	Account int64 // 0: anonymous

	// RetryAfter is set where an attempt at a password was refused: for the header of the answer.
	RetryAfter time.Duration
}

type clientKey struct{}

// WithClient returns a context that knows the client.
func WithClient(ctx context.Context, c *Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// key is who is measured, as what.
func (s *Service) key(c *Client) (limits.Kind, limits.Key) {
	switch {
	case c.Account == 0:
		return limits.Anonymous, limits.AddressKey(c.Address)
	case (*s.staff.Load())[c.Account]:
		return limits.Moderator, limits.AccountKey(c.Account)
	}
	return limits.User, limits.AccountKey(c.Account)
}

// Decide admits a request or refuses it.
func (s *Service) Decide(ctx context.Context, operation string, reads bool, c *Client) limits.Decision {
	kind, key := s.key(c)
	d := s.limiter.Decide(ctx, limits.Request{Operation: operation, Reads: reads, Kind: kind, Client: key})
	if d.Refused {
		limit := "client"
		if d.Global {
			limit = "global"
		}
		s.opts.Refused(Refusal{Class: d.Class, Operation: operation, Limit: limit, Enforced: d.Enforced})
	}
	return d
}

// Status is how limiting does.
type Status struct {
	limits.Stats
	Version int64 // in force; 0: what is declared
	Mode    limits.Mode
	Age     time.Duration // since the database was asked; negative: it never answered
}

// Status walks the tables of the meters.
func (s *Service) Status() Status {
	st := Status{Stats: s.limiter.Stats(), Version: s.version.Load(), Mode: s.limiter.Policy().Mode, Age: -1}
	if at := s.polled.Load(); at > 0 {
		st.Age = s.now() - time.Duration(at)
	}
	return st
}

// Policy returns what is in force here.
func (s *Service) Policy() limits.Policy { return s.limiter.Policy() }

// Loaded is closed once the database has said what is in force.
func (s *Service) Loaded() <-chan struct{} { return s.first }

// Run follows the policy and shares with the other servers until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var lending sync.WaitGroup
	lending.Go(func() {
		s.limiter.Borrow(ctx, func(err error) { s.warn(ctx, "clients are held to this server's part of their limits", err) })
	})
	defer s.line.close()
	defer lending.Wait()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := s.poll(ctx); err != nil && ctx.Err() == nil {
			s.warn(ctx, "limits can't be shared; trying again", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
