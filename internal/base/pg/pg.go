// Package pg opens connection pools to PostgreSQL and reads its errors.
//
// Invariants: the pool's settings are the measured ones below, not pgx's; a statement doesn't outlive its caller: when the
// context ends it is cancelled on the server, when this process dies the server notices within a second, and where neither
// works the session's timeouts end it. A URL never reaches a message: it may hold a password.
package pg

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/base/fault"
)

// Options shapes a pool. The zero value of a field takes the value in its comment; a negative timeout turns it off.
type Options struct {
	AppName          string          // platctl; what pg_stat_activity shows
	MaxConns         int             // 10
	StatementTimeout time.Duration   // 2s
	LockTimeout      time.Duration   // 500ms
	IdleInTxTimeout  time.Duration   // 5s
	Tracer           pgx.QueryTracer // none
	// Listens says that sessions wait for notifications. pgx can't tell such a wait from a statement, so an ended context then ends
	// the wait and leaves the session, and in the middle of a statement it ends the session.
	Listens bool
	// Warm is run on each new connection before anybody has it, and all connections are opened at the start: whoever gets a cold one
	// waits for the server's caches and plans. What the server refuses of it is passed over.
	Warm func(ctx context.Context, conn *pgx.Conn) error
}

// One timeout for reads and writes: a session whose timeout followed the class of the request that has it next would need a
// round trip at each change, and at one write in two that makes a small query 1.3 to 1.7 times as slow (BenchmarkTimeoutByClass).
// Work of another order has a pool of its own.

// Open makes a pool and proves that the database answers.
func Open(ctx context.Context, url string, o Options) (*pgxpool.Pool, error) {
	cfg, err := poolConfig(url, o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, Unreachable(err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, Unreachable(err)
	}
	return pool, nil
}

func poolConfig(url string, o Options) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, badURL()
	}
	cfg.MaxConns = int32(orDefault(o.MaxConns, 10))
	cfg.MinIdleConns = min(2, cfg.MaxConns)
	cfg.MaxConnLifetimeJitter = 10 * time.Minute // else all connections made at the start end in the same second
	cfg.PingTimeout = 500 * time.Millisecond     // pgx has none: a dead peer holds the request until the kernel gives up
	cfg.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool {
		return p.IdleDuration > 5*time.Second // pgx pings after 1 s idle: one more round trip for a quiet server
	}
	cfg.PrepareConn = trusted
	if o.Warm != nil {
		cfg.MinConns, cfg.AfterConnect = cfg.MaxConns, warm(o.Warm)
	}
	cc := cfg.ConnConfig
	cc.Tracer = o.Tracer
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = 5 * time.Second
	}
	p := cc.RuntimeParams
	if p["application_name"] == "" {
		p["application_name"] = orDefault(o.AppName, "platctl")
	}
	// One plan for each statement, the one that docs/indexes.md shows. Planning a list or the feed for each call took 2 to 3 ms of
	// the server's CPU, more than running it; left alone, PostgreSQL plans the first five calls of every connection so, and
	// after them whenever it guesses that to be cheaper.
	setDefault(p, "plan_cache_mode", "force_generic_plan")
	setDefault(p, "jit", "off") // it compiles for longer than any statement here runs
	setTimeout(p, "statement_timeout", orDefault(o.StatementTimeout, 2*time.Second))
	setTimeout(p, "lock_timeout", orDefault(o.LockTimeout, 500*time.Millisecond))
	setTimeout(p, "idle_in_transaction_session_timeout", orDefault(o.IdleInTxTimeout, 5*time.Second))
	setTimeout(p, "client_connection_check_interval", time.Second) // a killed process sends no cancel request
	if !o.Listens {
		cc.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
			return &canceller{conn: c, patience: requestPatience}
		}
	}
	return cfg, nil
}

// warm is a pgxpool.Config.AfterConnect hook. One connection after the other is warmed, so that the first is there soon: ten at once
// took two cores for a second. One that stays cold is of use; one that broke is not.
func warm(run func(context.Context, *pgx.Conn) error) func(context.Context, *pgx.Conn) error {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, conn *pgx.Conn) error {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
		err := run(ctx, conn)
		if refused := new(pgconn.PgError); errors.As(err, &refused) && !conn.IsClosed() {
			return nil
		}
		return err
	}
}

// Connect opens one connection, for tools that need a session of their own. No timeout is set on the server, and
// when a context ends, the statement on the server is cancelled and the session stays usable. What with changes in the
// configuration comes last.
func Connect(ctx context.Context, url, appName string, with ...func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, badURL()
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = appName
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // names no statement, so DISCARD ALL breaks nothing
	// pgx's own reaction to an ended context is to close the socket, and the server goes on with the statement.
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &canceller{conn: c, patience: toolPatience}
	}
	for _, change := range with {
		change(cfg)
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, Unreachable(err)
	}
	return conn, nil
}

func badURL() error {
	return fault.New(fault.Config, "the database URL can't be read").
		WithHint("it looks like postgres://user:password@host:5432/name")
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func setTimeout(params map[string]string, name string, d time.Duration) {
	if d > 0 {
		setDefault(params, name, strconv.FormatInt(d.Milliseconds(), 10))
	}
}

// setDefault leaves what the URL asks for alone.
func setDefault(params map[string]string, name, value string) {
	if params[name] == "" {
		params[name] = value
	}
}

// Beginner starts a transaction: a pool, a connection or a transaction.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// How often a transaction is tried, and between which times the next try waits: at random, so that two that fought do not
// meet again.
const (
	txAttempts   = 3
	txWaitMin    = 5 * time.Millisecond
	txWaitMax    = 50 * time.Millisecond
	rollbackTime = time.Second
)

// InTx runs fn in a transaction and commits it; an error of fn or a panic rolls back. After a deadlock, a serialization failure
// or a statement that never left this process it runs fn again, up to three times in all, so fn must have no effect outside
// the transaction. A commit whose answer was lost is not tried again: it may have happened.
func InTx(ctx context.Context, db Beginner, fn func(pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := OnceInTx(ctx, db, fn)
		if err == nil || attempt == txAttempts || !again(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(txWaitMin + rand.N(txWaitMax-txWaitMin)):
		}
	}
}

func again(err error) bool {
	return Is(err, SerializationFailure) || Is(err, DeadlockDetected) || pgconn.SafeToRetry(err)
}

// OnceInTx is InTx without another try. Unlike pgx.BeginFunc it rolls back also when ctx has ended, so that the session stays
// usable: a client who leaves must not cost a connection.
func OnceInTx(ctx context.Context, db Beginner, fn func(pgx.Tx) error) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
		defer cancel()
		_ = tx.Rollback(ctx) // does nothing after a commit; where it fails, pgx closes the session, which rolls back
	}()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// ForListening returns cfg for a session that waits for notifications, as Options.Listens says.
func ForListening(cfg *pgx.ConnConfig) *pgx.ConnConfig {
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: c.Conn()}
	}
	return cfg
}
