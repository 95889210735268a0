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
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithLeeway(5*time.Second), jwt.WithTimeFunc(now)),
	}, nil
}

// TTL is how long a token lives.
func (t *Tokens) TTL() time.Duration { return t.ttl }

// Issue returns a token for an account.
func (t *Tokens) Issue(account int64) (string, error) {
	now := t.now()
	tok := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.RegisteredClaims{
		Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: strconv.FormatInt(account, 10),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(t.ttl)),
	})
	tok.Header["kid"] = t.kid
	s, err := tok.SignedString(t.key)
	return s, fault.Op("sign token", err)
}

// Verify returns the account a token was issued to. Every failure is the same error: which check failed is not the
// bearer's business.
func (t *Tokens) Verify(token string) (int64, error) {
	var c jwt.RegisteredClaims
	tok, err := t.parser.ParseWithClaims(token, &c, func(tok *jwt.Token) (any, error) {
		if tok.Header["kid"] != t.kid {
			return nil, jwt.ErrTokenUnverifiable
		}
		return t.key.Public(), nil
	})
	if err == nil && tok.Valid {
		if id, perr := strconv.ParseInt(c.Subject, 10, 64); perr == nil && id > 0 {
			return id, nil
		}
	}
	return 0, fault.New(fault.Unauthenticated, "the access token is not valid or has expired").
		WithCode("bad_token").WithHint("log in again")
}
