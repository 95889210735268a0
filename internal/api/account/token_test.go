package account

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/base/fault"
)

func tokens(t testing.TB, key byte, now func() time.Time) *Tokens {
	t.Helper()
	return NewTokens(keyring.Static(ring(t, key)), codec(t), 10*time.Minute, now)
}

func codec(t testing.TB) *publicid.Codec {
	t.Helper()
	c, err := publicid.New(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ring(t testing.TB, key byte) keyring.Ring {
	t.Helper()
	r, err := keyring.Single(bytes.Repeat([]byte{key}, ed25519.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func claims(account int64, issued time.Time) Claims {
	return Claims{Account: account, Session: 7, Issued: issued}
}

// A token works from its issue to its end, give or take the leeway of clocks, and only under its own key.
func TestTokensExpire(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tk := tokens(t, 1, func() time.Time { return now })
	token, err := tk.Issue(claims(42, tk.now()))
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]bool{
		0: true, 10*time.Minute + 4*time.Second: true, 10*time.Minute + 6*time.Second: false,
		-4 * time.Second: true, -6 * time.Second: false, // issued in the future
	} {
		tk := tokens(t, 1, func() time.Time { return now.Add(after) })
		id, err := tk.Verify(token)
		if (err == nil) != want || want && id.Account != 42 || !want && !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("after %s: %+v, %v", after, id, err)
		}
	}
	if id, err := tokens(t, 2, tk.now).Verify(token); err == nil {
		t.Errorf("another key accepted the token of %d", id.Account)
	}
}

// Everything about a token has to be right, even when the signature is: each case changes one thing.
func TestTokensAreChecked(t *testing.T) {
	t.Parallel()
	r, err := ring(t, 1).Rotate(keyring.Rotation{Now: time.Now(), Seed: bytes.Repeat([]byte{3}, ed25519.SeedSize), Grace: time.Minute, Overlap: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	tk := NewTokens(keyring.Static(r), codec(t), 10*time.Minute, time.Now)
	own, next := r.Keys()[0], r.Keys()[1]
	ana, sess := codec(t).Encode(publicid.User, 42), codec(t).Encode(publicid.Session, 7)
	good := func() jwt.MapClaims {
		return jwt.MapClaims{
			"iss": issuer, "aud": audience, "sub": ana, "sid": sess, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		}
	}
	sign := func(method jwt.SigningMethod, key any, kid any, c jwt.MapClaims) string {
		tok := jwt.NewWithClaims(method, c)
		if kid != nil {
			tok.Header["kid"] = kid
		}
		s, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, k := range r.Keys() {
		if id, err := tk.Verify(sign(jwt.SigningMethodEdDSA, k.Private(), k.Kid, good())); err != nil || id.Account != 42 {
			t.Fatalf("the pattern of the cases: %+v, %v", id, err)
		}
	}
	with := func(claim string, value any) jwt.MapClaims {
		c := good()
		c[claim] = value
		if value == nil {
			delete(c, claim)
		}
		return c
	}
	public := []byte(own.Public())
	bad := map[string]string{
		"alg none":                  sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, own.Kid, good()),
		"HMAC with the public key":  sign(jwt.SigningMethodHS256, public, own.Kid, good()),
		"no kid":                    sign(jwt.SigningMethodEdDSA, own.Private(), nil, good()),
		"another kid":               sign(jwt.SigningMethodEdDSA, own.Private(), "0000", good()),
		"kid that is a number":      sign(jwt.SigningMethodEdDSA, own.Private(), 7, good()),
		"another key under our kid": sign(jwt.SigningMethodEdDSA, ring(t, 2).Keys()[0].Private(), own.Kid, good()),
		"our key under another kid": sign(jwt.SigningMethodEdDSA, own.Private(), next.Kid, good()),
		"a list of kids":            sign(jwt.SigningMethodEdDSA, own.Private(), []string{own.Kid}, good()),
		"an empty kid":              sign(jwt.SigningMethodEdDSA, own.Private(), "", good()),
	}
	// The last character of a signature has spare bits; a token has one spelling, or it can't be recognised again.
	token, err := tk.Issue(claims(42, tk.now()))
	if err != nil {
		t.Fatal(err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(token) - 1
	bad["spare bits"] = token[:last] + string(alphabet[strings.IndexByte(alphabet, token[last])^1])
	for claim, values := range map[string][]any{
		"iss": {nil, "evil"}, "aud": {nil, "another-api"}, "exp": {nil, "never", time.Now().Add(-time.Minute).Unix()},
		"sid": {nil, "", "7", "x", ana},
		"sub": {nil, "", "42", "x", sess}, "iat": {time.Now().Add(time.Hour).Unix()},
		"nbf": {time.Now().Add(time.Hour).Unix()},
	} {
		for _, v := range values {
			bad[claim] = sign(jwt.SigningMethodEdDSA, own.Private(), own.Kid, with(claim, v))
			if id, err := tk.Verify(bad[claim]); err == nil {
				t.Errorf("claim %s = %v was accepted for %d", claim, v, id.Account)
			}
		}
	}
	for name, token := range bad {
		if id, err := tk.Verify(token); err == nil || err.Error() != "the access token is not valid or has expired" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// Two servers, one of which reads the new ring a little later and has a clock that is behind: whatever one of them signs through a
// rotation, both believe for as long as it lives; and the old key is believed by nobody once its last token is over.
func TestTokensThroughARotation(t *testing.T) {
	t.Parallel()
	const ttl, grace, slow = 10 * time.Minute, time.Minute, 4 * time.Second
	begin := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	now := begin
	old := ring(t, 1)
	next, err := old.Rotate(keyring.Rotation{Now: begin, Seed: bytes.Repeat([]byte{2}, ed25519.SeedSize), Grace: grace, Overlap: KeyOverlap(ttl)})
	if err != nil {
		t.Fatal(err)
	}
	read := func(after time.Duration) Keys {
		return readAfter{old, next, func() bool { return now.Sub(begin) >= after }}
	}
	servers := []*Tokens{
		NewTokens(read(0), codec(t), ttl, func() time.Time { return now }),
		NewTokens(read(grace/2), codec(t), ttl, func() time.Time { return now.Add(-slow) }),
	}
	type issued struct {
		token string
		dies  time.Time
	}
	var all []issued
	for ; now.Before(begin.Add(30 * time.Minute)); now = now.Add(29 * time.Second) {
		for _, s := range servers {
			token, err := s.Issue(claims(42, s.now()))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, issued{token, s.now().Add(ttl)})
		}
		all = slices.DeleteFunc(all, func(i issued) bool { return !now.Before(i.dies) })
		for _, i := range all {
			for n, s := range servers {
				if _, err := s.Verify(i.token); err != nil {
					t.Fatalf("%s after the rotation began, server %d refuses a token that lives until %s", now.Sub(begin), n, i.dies.Sub(begin))
				}
			}
		}
	}
	thief := NewTokens(keyring.Static(old), codec(t), ttl, func() time.Time { return now })
	forged, err := thief.Issue(claims(42, now))
	if err != nil {
		t.Fatal(err)
	}
	for n, s := range servers {
		if _, err := s.Verify(forged); err == nil {
			t.Errorf("server %d still believes the old key", n)
		}
	}
	if _, err := thief.Verify(forged); err != nil {
		t.Errorf("the forged token is bad for another reason: %v", err)
	}
}

// readAfter is a server's view of a ring that changes.
type readAfter struct {
	old, next keyring.Ring
	read      func() bool
}

func (r readAfter) Ring() keyring.Ring {
	if r.read() {
		return r.next
	}
	return r.old
}

func FuzzVerifyToken(f *testing.F) {
	tk := tokens(f, 1, time.Now)
	token, err := tk.Issue(claims(42, tk.now()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := tk.Verify(s); err == nil && s != token {
			t.Fatalf("%q was accepted for %d", s, id.Account)
		}
	})
}
