package ratelimit

import (
	"context"
	"crypto/tls"
	_ "embed"
	"encoding/hex"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/platctl/platctl/internal/base/breaker"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

//go:embed lua/lend.lua
var lendScript string

//go:embed lua/debts.lua
var debtsScript string

const (
	redisPatience = 300 * time.Millisecond // for a connection and an answer; a request that waits for a loan has less
	redisFailures = 3
	redisPause    = 2 * time.Second // before a Redis that fails is tried again
	redisIdle     = 30 * time.Second
	mostAccounts  = 1 << 16 // that Redis keeps; some 300 bytes each
	mostDebts     = 4096
)

// RedisOptions says where a Redis or a Valkey is.
type RedisOptions struct {
	URL    string      // redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS
	Secret []byte      // tells servers of one installation from those of another: the same as in Options
	TLS    *tls.Config // for rediss://; nil: what the system trusts
	Log    *slog.Logger
}

// Redis keeps the accounts in a Redis or a Valkey, version 5 or newer. It implements Accounts. Each call is one script, so it is
// whole or it isn't, on the clock of the Redis; what is kept is bounded and expires when it is owed no more.
type Redis struct {
	Breaker *breaker.Breaker
	pool    *redis.Pool
	keys    [2]string // accounts, and when each owes nothing
	lend    *redis.Script
	debts   *redis.Script
}

// CheckRedisURL says what is wrong with the URL of a Redis, without its password.
func CheckRedisURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" || u.RawQuery != "" { // the error has the password
		return fault.New(fault.Config, "ratelimit.redis_url is not redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or the same with rediss://")
	}
	if db, err := strconv.Atoi(u.Path[min(len(u.Path), 1):]); len(u.Path) > 1 && (err != nil || db < 0) {
		return fault.New(fault.Config, "ratelimit.redis_url has a path that is no number of a database")
	}
	return nil
}

// NewRedis returns a Redis. It connects to nothing.
func NewRedis(o RedisOptions) (*Redis, error) {
	if err := CheckRedisURL(o.URL); err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (redis.Conn, error) {
		return redis.DialURLContext(ctx, o.URL, redis.DialTLSConfig(o.TLS), redis.DialConnectTimeout(redisPatience),
			redis.DialTLSHandshakeTimeout(redisPatience), redis.DialReadTimeout(redisPatience), redis.DialWriteTimeout(redisPatience))
	}
	place := "platctl:{limits:" + hex.EncodeToString(hidden(o.Secret, []string{"platctl limits in redis"})[:6]) + "}:"
	return &Redis{
		Breaker: breaker.New("redis", breaker.After(redisFailures), breaker.Pause(redisPause), breaker.Log(o.Log)),
		pool:    &redis.Pool{DialContext: dial, MaxIdle: 2, IdleTimeout: redisIdle},
		keys:    [2]string{place + "accounts", place + "ends"},
		lend:    redis.NewScript(2, lendScript), debts: redis.NewScript(2, debtsScript),
	}, nil
}

// Close ends the idle connections.
func (r *Redis) Close() error { return r.pool.Close() }

// run runs a script, unless Redis is left alone. Redis gone is refused or ends in time.
func (r *Redis) run(ctx context.Context, s *redis.Script, args []any) (answer []any, err error) {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	err = r.Breaker.Do(ctx, func(ctx context.Context) error {
		conn, err := r.pool.GetContext(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		answer, err = redis.Values(s.DoContext(ctx, conn, append([]any{r.keys[0], r.keys[1]}, args...)...))
		return err
	})
	return answer, err
}

// Lend implements Accounts.
func (r *Redis) Lend(ctx context.Context, asks []limits.Ask) ([]limits.Loan, error) {
	args := make([]any, 1, 1+5*len(asks))
	args[0] = mostAccounts
	for _, a := range asks {
		args = append(args, accountName(a.Account), a.Terms.Rate.PerSecond(), a.Terms.Burst, a.Used, a.Want)
	}
	answer, err := r.run(ctx, r.lend, args)
	if err != nil {
		return nil, fault.Op("lend from redis", err)
	}
	if len(answer) != 2*len(asks) {
		return nil, fault.New(fault.Internal, "redis gave %d answers to %d asks", len(answer)/2, len(asks))
	}
	out := make([]limits.Loan, len(asks))
	for i := range out {
		if _, err := redis.Scan(answer[2*i:], &out[i].Granted, &out[i].Owed); err != nil {
			return nil, fault.Op("read a loan of redis", err)
		}
	}
	return out, nil
}

// Debts implements Accounts.
func (r *Redis) Debts(ctx context.Context) ([]limits.Debt, error) {
	answer, err := r.run(ctx, r.debts, []any{mostDebts})
	if err != nil {
		return nil, fault.Op("read debts from redis", err)
	}
	out := make([]limits.Debt, 0, len(answer)/2)
	for len(answer) > 1 {
		var name string
		var d limits.Debt
		if answer, err = redis.Scan(answer, &name, &d.Owed); err != nil {
			return nil, fault.Op("read debts from redis", err)
		}
		if at := len(name) - len(d.Client); at > 0 {
			d.Account = account(name[:at], []byte(name[at:]))
			out = append(out, d)
		}
	}
	return out, nil
}

// accountName is the limit and the bytes of the client.
func accountName(a limits.Account) string { return a.Limit + string(a.Client[:]) }
