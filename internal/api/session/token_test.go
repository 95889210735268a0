package session_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"testing"
	"testing/quick"

	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
)

func TestTokenRoundTrip(t *testing.T) {
	t.Parallel()
	holds := func(id int64, counter uint64, key [32]byte) bool {
		in := session.Token{Session: id&math.MaxInt64 | 1, Counter: counter & math.MaxInt64}
		out, err := session.ParseToken(in.Sign(key[:]))
		other := bytes.Clone(key[:])
		other[7] ^= 1
		return err == nil && out.Session == in.Session && out.Counter == in.Counter && out.SignedBy(key[:]) && !out.SignedBy(other)
	}
	if err := quick.Check(holds, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

// One flipped bit anywhere is refused before the database is asked: the checksum covers everything.
func TestTokenDamage(t *testing.T) {
	t.Parallel()
	text := session.Token{Session: 1 << 40, Counter: 300}.Sign(make([]byte, 32))
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		b := bytes.Clone(raw)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := session.ParseToken(base64.RawURLEncoding.EncodeToString(b)); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("bit %d flipped: %v, want unauthenticated", bit, err)
		}
	}
	for cut := range len(text) {
		if _, err := session.ParseToken(text[:cut]); err == nil {
			t.Errorf("the first %d characters are accepted", cut)
		}
	}
}

// The longest token fits the limit that ParseToken sets.
func TestLongestToken(t *testing.T) {
	t.Parallel()
	text := session.Token{Session: math.MaxInt64, Counter: math.MaxInt64}.Sign(make([]byte, 32))
	if _, err := session.ParseToken(text); err != nil {
		t.Errorf("%d characters: %v", len(text), err)
	}
}

// Every text is refused, or is exactly how we would write what it says: a signature of its own for each spelling.
func FuzzParseToken(f *testing.F) {
	key := bytes.Repeat([]byte{3}, 32)
	f.Add(session.Token{Session: 1}.Sign(key))
	f.Add(session.Token{Session: math.MaxInt64, Counter: math.MaxInt64}.Sign(key))
	f.Add("AQEA")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := session.ParseToken(text)
		if err != nil {
			if !errors.Is(err, fault.Unauthenticated) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if tok.SignedBy(key) && tok.Sign(key) != text {
			t.Errorf("%q is a second spelling of %q", text, tok.Sign(key))
		}
		if tok.Session < 1 {
			t.Errorf("%q names session %d", text, tok.Session)
		}
	})
}

func BenchmarkRefreshTokenParse(b *testing.B) {
	key := make([]byte, 32)
	text := session.Token{Session: 123456, Counter: 42}.Sign(key)
	for b.Loop() {
		tok, err := session.ParseToken(text)
		if err != nil || !tok.SignedBy(key) {
			b.Fatal(err)
		}
	}
}
