package server_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// keyed are two servers on one database that follow one file of keys and live by one clock, which the test sets.
type keyed struct {
	t     *testing.T
	place keyring.Place
	ahead atomic.Int64 // nanoseconds
	envs  []*apitest.Env
	thief *account.Tokens // signs with the first key, for ever
}

func newKeyed(t *testing.T) *keyed {
	t.Helper()
	seed := bytes.Repeat([]byte{5}, 32)
	k := &keyed{t: t, place: keyring.Place{Name: "the key", Path: filepath.Join(t.TempDir(), "signing.key")}}
	if err := os.WriteFile(k.place.Path, []byte(base64.StdEncoding.EncodeToString(seed)), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := keyring.Single(seed)
	if err != nil {
		t.Fatal(err)
	}
	k.thief = account.NewTokens(keyring.Static(first), apitest.Codec(t), 10*time.Minute, k.now)
	url := pgtest.New(t, apitest.Template(t))
	for range 2 {
		k.envs = append(k.envs, apitest.On(t, url, func(o *server.Options) {
			o.Now = k.now
			if o.Keys, err = keyring.Open(k.place, o.Log); err != nil {
				t.Fatal(err)
			}
		}))
	}
	return k
}

func (k *keyed) now() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) }

// rotate rotates as the command does, and waits until every server publishes the new key.
func (k *keyed) rotate(cut bool) (kid string) {
	k.t.Helper()
	err := k.place.Rewrite(func(r keyring.Ring) (keyring.Ring, error) {
		next, err := r.Rotate(keyring.Rotation{
			Now: k.now(), Seed: keyring.NewSeed(), Grace: time.Minute, Overlap: account.KeyOverlap(10 * time.Minute), Cut: cut,
		})
		keys := next.Keys()
		kid = keys[len(keys)-1].Kid
		return next, err
	})
	if err != nil {
		k.t.Fatal(err)
	}
	for _, e := range k.envs {
		for start := time.Now(); !strings.Contains(published(k.t, e), kid); time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > patience {
				k.t.Fatalf("%s is not published: %s", kid, published(k.t, e))
			}
		}
	}
	return kid
}

// published returns the names of the keys that a server publishes.
func published(t *testing.T, e *apitest.Env) string {
	t.Helper()
	set, err := e.Client("").GetSigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var kids []string
	for _, key := range set.Response.Keys {
		kids = append(kids, key.Kid)
	}
	return strings.Join(kids, " ")
}

// kidOf returns the name of the key that signed a token.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	tok, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	return tok.Header["kid"].(string)
}

// forge makes a token of the first session as somebody can who has the first key.
func (k *keyed) forge() string {
	k.t.Helper()
	token, err := k.thief.Issue(account.Claims{Account: 1, Session: 1, Issued: k.now()})
	if err != nil {
		k.t.Fatal(err)
	}
	return token
}

func (k *keyed) everywhere(what, token string, want int) {
	k.t.Helper()
	for n, e := range k.envs {
		if got := me(k.t, e, token); got != want {
			k.t.Errorf("%s: server %d answers %d, want %d", what, n, got, want)
		}
	}
}

// Keys rotate under two running servers, with requests all the while: tokens of before and after are good on both, no request
// is lost, and the old key is worth nothing once its last token is over.
func TestKeysRotateWithoutARestart(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	before, _ := k.envs[0].Signup("ana")
	old := kidOf(t, before.AccessToken)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var answered atomic.Int64
	for _, e := range k.envs {
		load.Go(func() {
			for ctx.Err() == nil {
				if got := me(t, e, before.AccessToken); got != http.StatusOK {
					t.Errorf("answered %d during the rotation", got)
				}
				answered.Add(1)
			}
		})
	}
	fresh := k.rotate(false)
	waiting, _ := login(t, k.envs[1], "ana", password)
	if got := kidOf(t, waiting.AccessToken); got != old {
		t.Errorf("%s signs at once, before every server is sure to know it", got)
	}
	k.ahead.Store(int64(time.Minute))
	after, _ := login(t, k.envs[1], "ana", password)
	if got := kidOf(t, after.AccessToken); got != fresh {
		t.Errorf("%s signs after the grace, want %s", got, fresh)
	}
	for what, token := range map[string]string{"before": before.AccessToken, "while it waits": waiting.AccessToken, "after": after.AccessToken} {
		k.everywhere(what, token, http.StatusOK)
	}
	stop()
	load.Wait()
	t.Logf("%d requests answered meanwhile", answered.Load())

	k.everywhere("signed with the old key while that is believed", k.forge(), http.StatusOK)
	k.ahead.Store(int64(time.Minute + account.KeyOverlap(10*time.Minute) - 10*time.Second))
	renewed, err := refresh(t, k.envs[0], after.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	k.ahead.Add(int64(20 * time.Second))
	k.everywhere("refreshed", renewed.AccessToken, http.StatusOK)
	k.everywhere("signed with the old key when that has ended", k.forge(), http.StatusUnauthorized)
	if got := published(t, k.envs[0]); got != fresh {
		t.Errorf("published: %s, want %s", got, fresh)
	}
	if third := k.rotate(false); !strings.HasPrefix(published(t, k.envs[1]), fresh+" "+third) {
		t.Errorf("after a second rotation: %s", published(t, k.envs[1]))
	}
	if r, err := k.place.Load(); err != nil || strings.Contains(r.String(), old) {
		t.Errorf("the old key is still in the file: %s, %v", r, err)
	}
}

// A key in wrong hands ends when the new one signs: its tokens are refused everywhere, and clients refresh.
func TestCompromisedKeyIsCut(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	ana, _ := k.envs[0].Signup("ana")
	k.rotate(true)
	k.everywhere("until the new key signs", ana.AccessToken, http.StatusOK)
	k.ahead.Store(int64(time.Minute))
	k.everywhere("of the old key", ana.AccessToken, http.StatusUnauthorized)
	renewed, err := refresh(t, k.envs[1], ana.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	k.everywhere("refreshed", renewed.AccessToken, http.StatusOK)
}

// A damaged file changes nothing for those who are served; the log and a metric say so, and a good file ends it.
func TestDamagedKeysKeepTheOldOnes(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	ana, _ := k.envs[0].Signup("ana")
	good, err := os.ReadFile(k.place.Path)
	if err != nil {
		t.Fatal(err)
	}
	unreadable := func(want string) {
		t.Helper()
		for start := time.Now(); !strings.Contains(metrics(t, k.envs[0]), "\nauth_signing_keys_unreadable "+want+"\n"); time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > patience {
				t.Fatalf("the metric never becomes %s", want)
			}
		}
	}
	if err := os.WriteFile(k.place.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	unreadable("1")
	k.everywhere("while the file is damaged", ana.AccessToken, http.StatusOK)
	login(t, k.envs[0], "ana", password)
	if !strings.Contains(string(k.envs[0].Log()), "the signing keys can't be read again") {
		t.Errorf("the log says nothing:\n%s", k.envs[0].Log())
	}
	if err := os.WriteFile(k.place.Path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	unreadable("0")
	k.everywhere("afterwards", ana.AccessToken, http.StatusOK)
}

// The published keys verify our tokens with nothing of ours but a library, may be kept for a little, and hold no secret.
func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, _ := env.Signup("ana")
	res, body := send(t, env, badInput{method: http.MethodGet, path: "/.well-known/jwks.json", anonymous: true}, "")
	if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "public, max-age=20" || res.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if bytes.Contains(body, []byte(`"d"`)) || len(body) > 300 {
		t.Errorf("published: %s", body)
	}
	set, err := env.Client("").GetSigningKeys(t.Context())
	if err != nil || len(set.Response.Keys) != 1 {
		t.Fatal(set, err)
	}
	key := set.Response.Keys[0]
	x, err := base64.RawURLEncoding.DecodeString(key.X)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := jwt.Parse(ana.AccessToken, func(tok *jwt.Token) (any, error) {
		if tok.Header["kid"] != key.Kid || tok.Header["alg"] != string(key.Alg) {
			t.Errorf("header %v, published %+v", tok.Header, key)
		}
		return ed25519.PublicKey(x), nil
	})
	if err != nil || !tok.Valid {
		t.Errorf("the published key does not verify: %v", err)
	}
}
