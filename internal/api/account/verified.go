package account

import (
	"crypto/ed25519"
	"crypto/sha256"
	"time"

	"github.com/maypok86/otter/v2"
)

// maxVerified bounds the cache: 10,000 tokens are 3 MB.
const maxVerified = 10_000

// verified remembers tokens whose signature was checked, because checking one takes as long as answering a small request. An
// entry is used while the key it was checked with is believed and the token lives; that the session has not ended is checked at
// every request, elsewhere. Only good tokens are kept: a flood of bad ones pushes nothing out. Tokens are kept as their hash.
type verified struct {
	cache *otter.Cache[[sha256.Size]byte, signed]
}

// signed is what a signature vouches for.
type signed struct {
	claims  Claims
	expires time.Time
	kid     string
	key     ed25519.PublicKey
}

func newVerified() verified {
	// No expiry of the cache's own: it would take a goroutine, and an expired token is found out when it is used.
	return verified{otter.Must(&otter.Options[[sha256.Size]byte, signed]{MaximumSize: maxVerified})}
}

// remembered returns what a token says if it was verified before and would be again.
func (t *Tokens) remembered(token string) (Claims, bool) {
	id := sha256.Sum256([]byte(token))
	s, ok := t.verified.cache.GetIfPresent(id)
	if !ok {
		return Claims{}, false
	}
	now := t.now()
	key, believed := t.keys.Ring().Verifier(s.kid, now)
	if !believed || !key.Equal(s.key) || !t.alive(s.claims.Issued, s.expires, now) {
		t.verified.cache.Invalidate(id)
		return Claims{}, false
	}
	return s.claims, true
}

// alive says whether a token counts at now. It is what the parser checks, which remembered goes past, and that a token of a
// server with a longer TTL dies at ours: revocations are not remembered for longer.
func (t *Tokens) alive(issued, expires, now time.Time) bool {
	return !now.Before(issued.Add(-leeway)) && now.Before(expires.Add(leeway)) && now.Sub(issued) < t.ttl+leeway
}

func (t *Tokens) remember(token string, s signed) {
	t.verified.cache.Set(sha256.Sum256([]byte(token)), s)
}
