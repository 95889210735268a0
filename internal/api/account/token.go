package account

import (
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/base/fault"
)

const (
	issuer   = "platctl"
	audience = "market-api"
	leeway   = 5 * time.Second // between the clocks of two servers
	// slowServer is how long a server may be late to sign with a new key: its clock is behind, or it was paused.
	slowServer = time.Minute
)

// KeyOverlap is how long a key has to be believed after the next one signs: until its last token has expired everywhere.
func KeyOverlap(ttl time.Duration) time.Duration { return ttl + leeway + slowServer }

// Keys is the ring in force; it may change between two calls.
type Keys interface{ Ring() keyring.Ring }

// Tokens issues and checks access tokens: JWTs signed with Ed25519, nothing else accepted. They name people and sessions by
// their public ids: who verifies one elsewhere can put it beside the API's answers, and learns no number of ours.
type Tokens struct {
	keys   Keys
	ids    *publicid.Codec
	ttl    time.Duration
	now    func() time.Time
	parser *jwt.Parser

	verified verified
}

// NewTokens returns Tokens that sign with the key of keys whose turn it is.
func NewTokens(keys Keys, ids *publicid.Codec, ttl time.Duration, now func() time.Time) *Tokens {
	return &Tokens{
		keys: keys, ids: ids, ttl: ttl, now: now, verified: newVerified(),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(now)),
	}
}

// Public returns the keys that tokens are verified with now, for whoever else wants to verify them.
func (t *Tokens) Public() []keyring.Key { return t.keys.Ring().Believed(t.now()) }

// TTL is how long a token lives.
func (t *Tokens) TTL() time.Duration { return t.ttl }

// Claims is what an access token says.
type Claims struct {
	Account int64
	Session int64
	Issued  time.Time
}

// wireClaims is Claims as a JWT.
type wireClaims struct {
	jwt.RegisteredClaims
	Session string `json:"sid"`
}

// Issue returns a token for c; it lives for TTL from c.Issued.
func (t *Tokens) Issue(c Claims) (string, error) {
	tok := jwt.NewWithClaims(jwt.SigningMethodEdDSA, wireClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: t.ids.Encode(publicid.User, c.Account),
			IssuedAt: jwt.NewNumericDate(c.Issued), ExpiresAt: jwt.NewNumericDate(c.Issued.Add(t.ttl)),
		},
		Session: t.ids.Encode(publicid.Session, c.Session),
	})
	key := t.keys.Ring().Signer(t.now())
	tok.Header["kid"] = key.Kid
	s, err := tok.SignedString(key.Private())
	return s, fault.Op("sign token", err)
}

// Verify returns what a token says. Every failure is the same error: which check failed is not the bearer's business.
func (t *Tokens) Verify(token string) (Claims, error) {
	if c, ok := t.remembered(token); ok {
		return c, nil
	}
	s, ok := t.check(token)
	if !ok {
		return Claims{}, fault.New(fault.Unauthenticated, "the access token is not valid or has expired").
			WithCode("bad_token").WithHint("log in again")
	}
	t.remember(token, s)
	return s.claims, nil
}

// check parses a token and checks its signature.
func (t *Tokens) check(token string) (s signed, ok bool) {
	var c wireClaims
	_, err := t.parser.ParseWithClaims(token, &c, func(tok *jwt.Token) (any, error) {
		s.kid, _ = tok.Header["kid"].(string)
		s.key, ok = t.keys.Ring().Verifier(s.kid, t.now())
		if !ok {
			return nil, jwt.ErrTokenUnverifiable
		}
		return s.key, nil
	})
	if err != nil || c.IssuedAt == nil || !t.alive(c.IssuedAt.Time, c.ExpiresAt.Time, t.now()) {
		return signed{}, false
	}
	account, aerr := t.ids.Decode(publicid.User, c.Subject)
	session, serr := t.ids.Decode(publicid.Session, c.Session)
	s.claims, s.expires = Claims{Account: account, Session: session, Issued: c.IssuedAt.Time}, c.ExpiresAt.Time
	return s, aerr == nil && serr == nil
}
