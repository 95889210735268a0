package keyring

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func seed(b byte) []byte { return bytes.Repeat([]byte{b}, ed25519.SeedSize) }

func at(minutes int) time.Time {
	return time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

func single(t testing.TB, b byte) Ring {
	t.Helper()
	r, err := Single(seed(b))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rotate(t testing.TB, r Ring, b byte, minute int) Ring {
	t.Helper()
	next, err := r.Rotate(Rotation{Now: at(minute), Seed: seed(b), Grace: time.Minute, Overlap: 11 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// states writes what every key of r does at a minute: the first letter of its state, in the order of the ring.
func states(r Ring, minute int) string {
	var b strings.Builder
	for _, k := range r.Keys() {
		b.WriteString(string(r.State(k, at(minute)))[:1])
	}
	return b.String()
}

// The life of three keys: each is believed before it signs, signs, is believed for as long as its tokens live, and goes.
func TestRotation(t *testing.T) {
	t.Parallel()
	one := single(t, 1)
	two := rotate(t, one, 2, 0)
	three := rotate(t, two, 3, 20)
	for _, c := range []struct {
		name   string
		ring   Ring
		minute int
		want   string
	}{
		{"before anything", one, -999, "s"}, {"long after", one, 999, "s"},
		{"waiting", two, 0, "sw"}, {"signing", two, 1, "bs"}, {"overlapping", two, 11, "bs"}, {"over", two, 12, "es"},
		{"pruned", three, 20, "sw"}, {"taken over", three, 21, "bs"},
	} {
		if got := states(c.ring, c.minute); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	first := one.Keys()[0].Kid
	for minute, want := range map[int]bool{0: true, 11: true, 12: false} {
		if key, ok := two.Verifier(first, at(minute)); ok != want || want && !key.Equal(one.Keys()[0].Public()) {
			t.Errorf("minute %d: the old key is believed: %v", minute, ok)
		}
	}
	if n := len(two.Believed(at(0))); n != 2 {
		t.Errorf("%d keys are believed at once after the rotation, want both", n)
	}
	if _, err := two.Rotate(Rotation{Now: at(0), Seed: seed(3), Grace: time.Minute}); !errors.Is(err, fault.Busy) {
		t.Errorf("a second rotation while the first one's key waits: %v", err)
	}
	if _, err := one.Rotate(Rotation{Now: at(0), Seed: seed(1), Grace: time.Minute}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a rotation to the same key: %v", err)
	}
	if _, err := one.Rotate(Rotation{Now: at(0), Seed: seed(2)[1:]}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a short seed: %v", err)
	}
	if one.String() == two.String() || strings.HasPrefix(two.String(), one.String()+" ") == false || len(one.Keys()) != 1 {
		t.Errorf("a rotation changed the ring that it began with: %s, %s", one, two)
	}
}

// A key in wrong hands is believed no longer than the new one waits, nor is any before it.
func TestCut(t *testing.T) {
	t.Parallel()
	two := rotate(t, single(t, 1), 2, 0)
	cut, err := two.Rotate(Rotation{Now: at(5), Seed: seed(3), Grace: time.Minute, Overlap: time.Hour, Cut: true})
	if err != nil {
		t.Fatal(err)
	}
	if now, later := states(cut, 5), states(cut, 6); now != "bsw" || later != "ees" {
		t.Errorf("%s, then %s", now, later)
	}
	two = rotate(t, single(t, 1), 2, 0)
	if cut, err = two.Rotate(Rotation{Now: at(0), Seed: seed(3), Grace: 30 * time.Second, Cut: true}); err != nil {
		t.Fatal(err)
	}
	if now, later := states(cut, 0), states(cut, 1); now != "sw" || later != "es" || cut.Keys()[0].Kid != two.Keys()[0].Kid {
		t.Errorf("with a key that waits: %s, then %s: %s of %s", now, later, cut, two)
	}
}

// A clock that stands before every key signs all the same: with the first one, which the others believe for longest.
func TestSignerWithAWrongClock(t *testing.T) {
	t.Parallel()
	r := rotate(t, rotate(t, single(t, 1), 2, 0), 3, 20)
	if got := r.Signer(at(-60)).Kid; got != r.Keys()[0].Kid {
		t.Errorf("%s signs, of %s", got, r)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	r := rotate(t, rotate(t, single(t, 1), 2, 0), 3, 5)
	text, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/keyring.v1.json", text, *update)
	for _, version := range []string{"v0", "v1", "v2"} {
		doc := strings.Replace(string(text), "/v1", "/"+version, 1)
		back, err := Parse([]byte(strings.Replace(doc, `"made"`, `"later":{},"made"`, 1)))
		if err != nil || back.String() != r.String() || states(back, 6) != states(r, 6) || back.Signer(at(7)).Kid != r.Signer(at(7)).Kid {
			t.Errorf("%s: %s, %v; want %s", version, back, err, r)
		}
	}
	old, err := Parse([]byte(base64.StdEncoding.EncodeToString(seed(1)) + "\n"))
	if err != nil || old.String() != single(t, 1).String() {
		t.Errorf("the key of an older release: %s, %v", old, err)
	}
}

// What is wrong with a ring is said without showing any of it.
func TestDamagedRings(t *testing.T) {
	t.Parallel()
	good, err := rotate(t, single(t, 1), 2, 0).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("no %q in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	kids := rotate(t, single(t, 1), 2, 0).Keys()
	secret := base64.StdEncoding.EncodeToString(seed(1))
	second := base64.StdEncoding.EncodeToString(seed(2))
	for text, want := range map[string]string{
		"":                              "has 0 bytes",
		strings.Repeat("A", maxBytes+1): "a ring has between",
		"not base64":                    "neither base64 nor a ring",
		secret[4:]:                      "it needs exactly 32",
		"{":                             "not a ring of keys that this platctl reads",
		swap("/v1", "/v3"):              "not a ring of keys that this platctl reads",
		`{"schema":"platctl.keyring/v1","keys":[]}`: "has 0 keys",
		string(good[:len(good)/2]):                  "not a ring",
		swap(kids[0].Kid, kids[1].Kid):              "under a name that is not its own",
		swap(secret, secret[:20]):                   "whose seed is not 32 bytes",
		swap(`"verifies_until":"2026-03-04T05:12:00Z"`, `"verifies_until":"2026-03-04T05:00:59Z"`): "is not believed until",
		swap(`,"verifies_until":"2026-03-04T05:12:00Z"`, ""):                                       "is not believed until",
		swap(`"signs_from":"2026-03-04T05:01:00Z"`, `"verifies_until":"2026-03-04T06:00:00Z"`):     "no key that signs for good",
		swap(kids[1].Kid+`","seed":"`+second, kids[0].Kid+`","seed":"`+secret):                     "twice",
	} {
		r, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %s, %v; want %q", text, r, err, want)
			continue
		}
		if strings.Contains(err.Error(), secret[:8]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

// No verb of fmt shows a key: a ring may end in a log line.
func TestPrintedRingsShowNames(t *testing.T) {
	t.Parallel()
	r := single(t, 1)
	k := r.Keys()[0]
	for _, v := range []any{r, &r, k, &k, r.Keys(), struct{ R Ring }{r}, struct{ r *Ring }{&r}, map[string]Ring{"": r}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "1 1 1") || strings.Contains(got, "0x1, 0x1") || strings.Contains(got, "01010101") {
				t.Errorf("%s of %T shows the key: %s", verb, v, got)
			}
		}
	}
}

// Whatever Parse accepts can be written, read again and rotated, and one key signs whenever one looks.
func FuzzParse(f *testing.F) {
	good, err := rotate(f, rotate(f, single(f, 1), 2, 0), 3, 5).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(base64.StdEncoding.EncodeToString(seed(1))))
	f.Add([]byte(`{"schema":"platctl.keyring/v2","keys":[{"kid":"","seed":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(again)
		if err != nil || back.String() != r.String() {
			t.Fatalf("%s became %s, %v", r, back, err)
		}
		for _, now := range []time.Time{{}, at(0), at(7), at(1 << 20)} {
			k := r.Signer(now)
			if _, ok := r.Verifier(k.Kid, now); !ok {
				t.Fatalf("%s signs at %s and is not believed", k, now)
			}
		}
	})
}
