package account

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

func tokens(t testing.TB, key byte, now func() time.Time) *Tokens {
	t.Helper()
	tk, err := NewTokens(bytes.Repeat([]byte{key}, ed25519.SeedSize), 10*time.Minute, now)
	if err != nil {
		t.Fatal(err)
	}
	return tk
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
	if _, err := NewTokens(make([]byte, 31), time.Minute, time.Now); !errors.Is(err, fault.Config) {
		t.Errorf("a short key: %v", err)
	}
}

// Everything about a token has to be right, even when the signature is: each case changes one thing.
func TestTokensAreChecked(t *testing.T) {
	t.Parallel()
	tk := tokens(t, 1, time.Now)
	good := func() jwt.MapClaims {
		return jwt.MapClaims{
			"iss": issuer, "aud": audience, "sub": "42", "sid": "7", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
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
	if id, err := tk.Verify(sign(jwt.SigningMethodEdDSA, tk.key, tk.kid, good())); err != nil || id.Account != 42 {
		t.Fatalf("the pattern of the cases: %+v, %v", id, err)
	}
	with := func(claim string, value any) jwt.MapClaims {
		c := good()
		c[claim] = value
		if value == nil {
			delete(c, claim)
		}
		return c
	}
	public := []byte(tk.key.Public().(ed25519.PublicKey))
	bad := map[string]string{
		"alg none":                  sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, tk.kid, good()),
		"HMAC with the public key":  sign(jwt.SigningMethodHS256, public, tk.kid, good()),
		"no kid":                    sign(jwt.SigningMethodEdDSA, tk.key, nil, good()),
		"another kid":               sign(jwt.SigningMethodEdDSA, tk.key, "0000", good()),
		"kid that is a number":      sign(jwt.SigningMethodEdDSA, tk.key, 7, good()),
		"another key under our kid": sign(jwt.SigningMethodEdDSA, tokens(t, 2, time.Now).key, tk.kid, good()),
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
		"sid": {nil, "", "0", "-1", "x"},
		"sub": {nil, "", "0", "-1", "x", "99999999999999999999"}, "iat": {time.Now().Add(time.Hour).Unix()},
		"nbf": {time.Now().Add(time.Hour).Unix()},
	} {
		for _, v := range values {
			bad[claim] = sign(jwt.SigningMethodEdDSA, tk.key, tk.kid, with(claim, v))
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
