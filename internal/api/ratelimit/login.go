package ratelimit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"math"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

const (
	loginOperation = "login"
	// forgetTries is after how many periods without an attempt the counting begins again.
	forgetTries = 2
	// knownFor is how long an address from which the right password came is not held up by guesses from elsewhere.
	knownFor = 14 * 24 * time.Hour
)

// Try asks whether a password of a handle may be tried now: it implements account.Gate. Attempts are counted for the handle,
// whether somebody has it or not, by all servers together and before the password is looked at. Beyond the burst each has to
// wait for twice as long as the one before, up to the period of the rate and never for ever. An address from which the right
// password came lately has a count of its own, so nobody can keep the owner of an account out by guessing.
func (s *Service) Try(ctx context.Context, handle string) (right func(context.Context), err error) {
	c, ok := ctx.Value(clientKey{}).(*Client)
	if !ok {
		c = &Client{}
	}
	_, key := s.key(c)
	limit, enforced := s.limiter.Attempts(loginOperation, key)
	if limit == nil {
		return func(context.Context) {}, nil
	}
	handle = strings.ToLower(handle)
	account, place := s.hide("account", handle), s.hide("place", handle, limits.AddressKey(c.Address).Text())
	q := db.New(s.opts.DB)
	got, err := q.TryPassword(ctx, db.TryPasswordParams{
		Account: account, Place: place, Free: int32(min(limit.Burst, math.MaxInt32)),
		FirstSeconds: limit.Rate.Interval().Seconds(), LongestSeconds: limit.Rate.Per.Seconds(), ForgetSeconds: forgetTries * limit.Rate.Per.Seconds(),
	})
	if err != nil {
		return nil, fault.Op("count attempts", err)
	}
	right = func(ctx context.Context) {
		err := q.PasswordWasRight(ctx, db.PasswordWasRightParams{Attempt: got.Client, Place: place, KnownSeconds: knownFor.Seconds()})
		if err != nil { // the login has succeeded; its next one counts as if this had been wrong
			s.opts.Log.WarnContext(ctx, "a right password is not noted", "error", err)
		}
	}
	if got.Admitted {
		return right, nil
	}
	s.opts.Refused(Refusal{Class: s.limiter.Policy().Operations[loginOperation].Class, Operation: loginOperation, Limit: "account", Enforced: enforced})
	if !enforced {
		return right, nil
	}
	c.RetryAfter = time.Duration(got.WaitSeconds * float64(time.Second))
	return nil, fault.New(fault.RateLimited, "too many wrong passwords for this account; wait before the next").WithCode("rate_limited")
}

// hide returns 16 bytes that stand for words: a handle that is no account may be somebody's password typed into the wrong field.
func (s *Service) hide(words ...string) []byte {
	return hidden(s.opts.Secret, append([]string{"platctl login attempts"}, words...))
}

func hidden(secret []byte, words []string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(strings.Join(words, "\x00")))
	return h.Sum(nil)[:16]
}
