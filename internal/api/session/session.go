// Package session is who is logged in: sessions, the refresh tokens that keep them alive and the revocations that end them.
//
// Invariants: a session is one row, whatever the number of its tokens. Everything that ends one writes a row in revocations
// in the same transaction. A server learns of it by Feed within a second and refuses the session's access tokens from its
// DenyMap; a server whose feed has stood still for FenceAfter trusts no token and asks the database at each request. An
// access token names its session, so nothing that was issued while a session ended outlives it.
package session

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

const (
	// ReuseWindow is how long the token before the current one is answered with the current one: an answer was lost, or
	// two tabs refreshed at once. Afterwards it is a theft.
	ReuseWindow = 10 * time.Second
	// DefaultMaxSessions is more than anybody has devices, and few enough to be listed and revoked at once.
	DefaultMaxSessions = 50
	// clockSlack is added to the life of an access token wherever its death is waited for: clocks of servers and of the
	// database differ.
	clockSlack = 5 * time.Minute
	keyBytes   = 32
	// refreshTries bounds the loop of one refresh; each turn means that another refresh has just won.
	refreshTries = 5
)

// Reason says why a session ended.
type Reason string

// The reasons, as the schema has them.
const (
	Logout   Reason = "logout"
	Revoked  Reason = "revoked"  // by its owner, from another session
	Password Reason = "password" // the password was changed
	Reuse    Reason = "reuse"    // a refresh token was used again
	Ban      Reason = "ban"
	Operator Reason = "operator"
	Limit    Reason = "limit"   // the account opened more than it may have
	Deleted  Reason = "deleted" // with its account
)

// DB is a pool, a connection or a transaction.
type DB interface {
	db.DBTX
	pg.Beginner
}

// Options shapes a Service.
type Options struct {
	AccessTTL  time.Duration
	RefreshTTL time.Duration
	// MaxSessions is how many live sessions an account may have; 0: DefaultMaxSessions.
	MaxSessions int32
	Fenced      func() bool // the feed's; nil: always, for a process without a feed
}

// Service opens, refreshes, lists and ends sessions.
type Service struct {
	db     DB
	opts   Options
	deny   *DenyMap
	reused atomic.Int64

	surplus atomic.Int64
}

// New returns a Service that refuses what deny holds.
func New(d DB, deny *DenyMap, o Options) *Service {
	if o.Fenced == nil {
		o.Fenced = func() bool { return true }
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = DefaultMaxSessions
	}
	return &Service{db: d, opts: o, deny: deny}
}

// tokenLife is how long a revocation has to be remembered.
func (s *Service) tokenLife() float64 { return (s.opts.AccessTTL + clockSlack).Seconds() }

// Reused is how often a refresh token was used again outside the window.
func (s *Service) Reused() int64 { return s.reused.Load() }

// Surplus is how many sessions ended because their account opened more than it may have.
func (s *Service) Surplus() int64 { return s.surplus.Load() }

// Opened is a session with the refresh token that its owner holds now.
type Opened struct {
	ID      int64
	Refresh string
}

// Open logs an account in, in q's transaction. passwordHash is the one that was checked: an account that has another by
// now, or is banned or gone, gets the answer of a wrong password. What the account has above its limit ends with it, least
// recently used first.
func (s *Service) Open(ctx context.Context, q *db.Queries, account int64, passwordHash, userAgent string) (Opened, error) {
	o, _, err := s.open(ctx, q, account, passwordHash, userAgent)
	return o, err
}

// Open is Service.Open in this transaction.
func (c *Change) Open(ctx context.Context, account int64, passwordHash, userAgent string) (Opened, error) {
	o, ended, err := c.service.open(ctx, c.Queries, account, passwordHash, userAgent)
	c.ended = append(c.ended, ended...)
	return o, err
}

func (s *Service) open(ctx context.Context, q *db.Queries, account int64, passwordHash, userAgent string) (o Opened, ended []int64, err error) {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand aborts the process instead
	id, err := q.CreateSession(ctx, db.CreateSessionParams{
		UserID: account, PasswordHash: passwordHash, HmacKey: key, UserAgent: cleanAgent(userAgent),
		TtlSeconds: s.opts.RefreshTTL.Seconds(),
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Opened{}, nil, fault.New(fault.Unauthenticated, "handle or password is wrong").WithCode("bad_credentials")
	}
	if err == nil {
		ended, err = q.EndSurplusSessions(ctx, db.EndSurplusSessionsParams{
			UserID: account, Newest: id, AtMost: s.opts.MaxSessions, Reason: string(Limit), TokenSeconds: s.tokenLife(),
		})
	}
	if err != nil {
		return Opened{}, nil, fault.Op("open session", err)
	}
	s.surplus.Add(int64(len(ended)))
	return Opened{ID: id, Refresh: Token{Session: id}.Sign(key)}, ended, nil
}

// Refreshed is a session after a refresh, with what its answer shows of the account.
type Refreshed struct {
	Opened
	Account             int64
	Handle, DisplayName string
}

// Refresh answers a refresh token with the next one. The token before the current one is answered with the current one for
// ReuseWindow; any other genuine one ends the session. Malformed text is refused before the database is asked.
func (s *Service) Refresh(ctx context.Context, text string) (Refreshed, error) {
	t, err := ParseToken(text)
	if err != nil {
		return Refreshed{}, err
	}
	q := db.New(s.db)
	for range refreshTries {
		row, err := q.SessionForRefresh(ctx, db.SessionForRefreshParams{ID: t.Session, WindowSeconds: ReuseWindow.Seconds()})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return Refreshed{}, badToken()
		case err != nil:
			return Refreshed{}, fault.Op("refresh session", err)
		case !t.SignedBy(row.HmacKey):
			return Refreshed{}, badToken()
		}
		current, won, err := s.next(ctx, q, t, row)
		if err != nil {
			return Refreshed{}, fault.Op("refresh session", err)
		}
		if won {
			return Refreshed{
				Opened:  Opened{ID: row.ID, Refresh: Token{Session: row.ID, Counter: current}.Sign(row.HmacKey)},
				Account: row.UserID, Handle: row.Handle, DisplayName: row.DisplayName,
			}, nil
		}
	}
	return Refreshed{}, fault.New(fault.Unavailable, "too many refreshes of one session at once").WithCode("refresh_contended")
}

// next returns the counter of the token to answer with; won is false when another refresh came first.
func (s *Service) next(ctx context.Context, q *db.Queries, t Token, row db.SessionForRefreshRow) (counter uint64, won bool, err error) {
	current := uint64(row.Counter)
	switch {
	case t.Counter == current:
		n, err := q.AdvanceSession(ctx, db.AdvanceSessionParams{ID: row.ID, Counter: row.Counter, TtlSeconds: s.opts.RefreshTTL.Seconds()})
		return current + 1, n == 1, err
	case t.Counter+1 == current && row.Recent:
		return current, true, nil
	}
	s.reused.Add(1)
	if _, err := s.Revoke(ctx, row.UserID, row.ID, Reuse); err != nil {
		return 0, false, err
	}
	return 0, false, badToken()
}

func badToken() error {
	return fault.New(fault.Unauthenticated, "the refresh token is not valid any more").WithCode("bad_refresh_token").
		WithHint("log in again")
}

// Check refuses an access token of a session that has ended. It costs no I/O while the feed is fresh.
func (s *Service) Check(ctx context.Context, account, session int64) error {
	if s.deny.Denies(account, session) {
		return errRevoked()
	}
	if !s.opts.Fenced() {
		return nil
	}
	alive, err := db.New(s.db).SessionAlive(ctx, db.SessionAliveParams{ID: session, UserID: account})
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "whether the session is still valid can't be found out right now").
			WithCode("session_unchecked")
	}
	if !alive {
		return errRevoked()
	}
	return nil
}

func errRevoked() error {
	return fault.New(fault.Unauthenticated, "the session has ended").WithCode("session_revoked").WithHint("log in again")
}
