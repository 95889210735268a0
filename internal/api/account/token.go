package account

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

const (
	issuer   = "platctl"
	audience = "market-api"
	leeway   = 5 * time.Second // between the clocks of two servers
)

// Tokens issues and checks access tokens: JWTs signed with Ed25519, nothing else accepted.
type Tokens struct {
	key    ed25519.PrivateKey
	kid    string
	ttl    time.Duration
	now    func() time.Time
	parser *jwt.Parser
}

// NewTokens returns Tokens that sign with the key made from seed (32 bytes).
func NewTokens(seed []byte, ttl time.Duration, now func() time.Time) (*Tokens, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fault.New(fault.Config, "the signing key has %d bytes; it needs exactly %d", len(seed), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return &Tokens{
		key: key, kid: hex.EncodeToString(sum[:8]), ttl: ttl, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(now)),
	}, nil
}

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
			Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: strconv.FormatInt(c.Account, 10),
			IssuedAt: jwt.NewNumericDate(c.Issued), ExpiresAt: jwt.NewNumericDate(c.Issued.Add(t.ttl)),
		},
		Session: strconv.FormatInt(c.Session, 10),
	})
	tok.Header["kid"] = t.kid
	s, err := tok.SignedString(t.key)
	return s, fault.Op("sign token", err)
}

// Verify returns what a token says. Every failure is the same error: which check failed is not the bearer's business. A
// token of a server with a longer TTL dies at ours: revocations are not remembered for longer.
func (t *Tokens) Verify(token string) (Claims, error) {
	var c wireClaims
	tok, err := t.parser.ParseWithClaims(token, &c, func(tok *jwt.Token) (any, error) {
		if tok.Header["kid"] != t.kid {
			return nil, jwt.ErrTokenUnverifiable
		}
		return t.key.Public(), nil
	})
	if err == nil && tok.Valid && c.IssuedAt != nil && t.now().Sub(c.IssuedAt.Time) < t.ttl+leeway {
		account, aerr := strconv.ParseInt(c.Subject, 10, 64)
		session, serr := strconv.ParseInt(c.Session, 10, 64)
		if aerr == nil && serr == nil && account > 0 && session > 0 {
			return Claims{Account: account, Session: session, Issued: c.IssuedAt.Time}, nil
		}
	}
	return Claims{}, fault.New(fault.Unauthenticated, "the access token is not valid or has expired").
		WithCode("bad_token").WithHint("log in again")
}
