package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

// logins is a service whose logins have 5 attempts in 15 minutes.
func logins(t *testing.T, change ...func(*ratelimit.Options)) (*ratelimit.Service, *pgxpool.Pool) {
	t.Helper()
	url, pool := database(t)
	p := perClient(limits.Rate{Count: 1, Per: time.Second}, 100)
	p.Classes["password"] = limits.Class{Account: &limits.Limit{Rate: limits.Rate{Count: 5, Per: 15 * time.Minute}, Burst: 5}}
	p.Operations = map[string]limits.Operation{"login": {Class: "password"}}
	return start(t, url, pool, p, change...), pool
}

// try attempts a password from an address and returns how long the client is told to wait: 0 when it may try.
func try(t *testing.T, s *ratelimit.Service, address, handle string) (right func(), wait time.Duration) {
	t.Helper()
	c := from(address)
	ctx := ratelimit.WithClient(t.Context(), c)
	done, err := s.Try(ctx, handle)
	if err != nil {
		if !errors.Is(err, fault.RateLimited) || c.RetryAfter <= 0 {
			t.Fatalf("%s: %v, wait %s", handle, err, c.RetryAfter)
		}
		return nil, c.RetryAfter
	}
	return func() { done(ctx) }, 0
}

// later moves the attempts into the past, as if time had gone by.
func later(t *testing.T, pool *pgxpool.Pool, d time.Duration) {
	t.Helper()
	const past = "update login_attempts set next_at = next_at - $1::interval, last_at = last_at - $1::interval, known_until = known_until - $1::interval"
	if _, err := pool.Exec(t.Context(), past, d); err != nil {
		t.Fatal(err)
	}
}

func about(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got > want || got < want-patience {
		t.Errorf("%s: a wait of %s, want %s", what, got, want)
	}
}

// Five guesses are free, then each waits for twice as long as the one before, up to the period and never for ever. The number
// of addresses they come from doesn't matter, nor how the handle is written.
func TestGuessesGetSlower(t *testing.T) {
	t.Parallel()
	s, pool := logins(t)
	for i := range 5 {
		if _, wait := try(t, s, fmt.Sprintf("192.0.2.%d", i), "Ana"); wait != 0 {
			t.Fatalf("guess %d waits %s", i+1, wait)
		}
	}
	for i, want := range []time.Duration{3 * time.Minute, 6 * time.Minute, 12 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		_, wait := try(t, s, "192.0.2.99", "aNA")
		about(t, fmt.Sprintf("guess %d", i+6), wait, want)
		later(t, pool, want)
		if _, wait := try(t, s, "192.0.2.99", "ana"); wait != 0 {
			t.Fatalf("guess %d has waited %s and has to wait %s more", i+6, want, wait)
		}
	}
	if _, wait := try(t, s, "192.0.2.1", "ben"); wait != 0 {
		t.Errorf("somebody else waits %s", wait)
	}
	later(t, pool, 31*time.Minute)
	for i := range 5 {
		if _, wait := try(t, s, "192.0.2.1", "ana"); wait != 0 {
			t.Errorf("after half an hour of quiet guess %d waits %s", i+1, wait)
		}
	}
}

// The right password ends the counting, and whoever logs in often is not held up. Guesses from elsewhere don't keep the owner
// out of an account: where the right password came from lately counts for itself.
func TestOwnersAreNotLockedOut(t *testing.T) {
	t.Parallel()
	s, pool := logins(t)
	for i := range 20 {
		right, wait := try(t, s, "192.0.2.1", "ana")
		if wait != 0 {
			t.Fatalf("login %d waits %s", i+1, wait)
		}
		right()
	}
	for range 5 {
		try(t, s, "198.51.100.9", "ana")
	}
	if _, wait := try(t, s, "198.51.100.9", "ana"); wait == 0 {
		t.Error("the guesser doesn't wait")
	}
	right, wait := try(t, s, "192.0.2.1", "ana")
	if wait != 0 {
		t.Fatalf("the owner waits %s at home", wait)
	}
	right()
	if _, wait := try(t, s, "198.51.100.9", "ana"); wait == 0 {
		t.Error("the owner's login freed the guesser")
	}
	for range 5 { // somebody at the owner's home guesses
		try(t, s, "192.0.2.1", "ana")
	}
	if _, wait := try(t, s, "192.0.2.1", "ana"); wait == 0 {
		t.Error("nobody waits at home")
	}
	later(t, pool, 15*24*time.Hour)
	if _, wait := try(t, s, "192.0.2.1", "ana"); wait != 0 {
		t.Errorf("two weeks later it waits %s", wait)
	}
}

// Attempts at once are counted one by one, on whatever server.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := logins(t)
	var admitted atomic.Int64
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if _, err := s.Try(ratelimit.WithClient(context.Background(), from("192.0.2.1")), "ana"); err == nil {
				admitted.Add(1)
			} else if !errors.Is(err, fault.RateLimited) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if admitted.Load() != 5 {
		t.Errorf("%d of 30 guesses at once were admitted, want 5", admitted.Load())
	}
}

// In shadow everybody may try, and what would have been refused is told; without a limit nothing is asked.
func TestGuessesInShadow(t *testing.T) {
	t.Parallel()
	var told atomic.Int64
	s, _ := logins(t, func(o *ratelimit.Options) {
		o.Most = limits.Shadow
		o.Refused = func(r ratelimit.Refusal) {
			if r == (ratelimit.Refusal{Class: "password", Operation: "login", Limit: "account"}) {
				told.Add(1)
			}
		}
	})
	for range 8 {
		if _, wait := try(t, s, "192.0.2.1", "ana"); wait != 0 {
			t.Errorf("in shadow it waits %s", wait)
		}
	}
	if told.Load() != 3 {
		t.Errorf("%d refusals told, want 3", told.Load())
	}
	off, pool := logins(t, func(o *ratelimit.Options) { o.Most = limits.Off })
	pool.Close()
	if right, err := off.Try(t.Context(), "ana"); err != nil {
		t.Error(err)
	} else {
		right(t.Context())
	}
}
