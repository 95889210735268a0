package publicid_test

import (
	"errors"
	"testing"

	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/base/fault"
)

func codec(t testing.TB) *publicid.Codec {
	t.Helper()
	c, err := publicid.New([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	c := codec(t)
	seen := map[string]bool{}
	for _, id := range []int64{1, 2, 3, 1000, 1 << 31, 1 << 40, 1<<63 - 1} {
		for _, k := range []publicid.Kind{publicid.User, publicid.Post, publicid.Cursor} {
			s := c.Encode(k, id)
			if seen[s[len(s)-publicid.Digits:]] {
				t.Errorf("%s repeats the digits of another id or kind", s)
			}
			seen[s[len(s)-publicid.Digits:]] = true
			if got, err := c.Decode(k, s); err != nil || got != id {
				t.Errorf("Decode(%s) = %d, %v; want %d", s, got, err, id)
			}
			if _, err := c.Decode(publicid.Farm, s); !errors.Is(err, fault.Invalid) {
				t.Errorf("Decode as another kind: %v, want invalid", err)
			}
		}
	}
}

func TestKeyTooShort(t *testing.T) {
	t.Parallel()
	if _, err := publicid.New(make([]byte, 15)); !errors.Is(err, fault.Config) {
		t.Errorf("New with 15 bytes: %v, want config", err)
	}
}

// Every string either decodes to an id that encodes to the same string, or is refused: no two spellings of one id.
func FuzzDecode(f *testing.F) {
	c := codec(f)
	f.Add(c.Encode(publicid.User, 42))
	f.Add("user_zzzzzzzzzzz")
	f.Add("user_11111111111")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := c.Decode(publicid.User, s)
		if err != nil {
			return
		}
		if back := c.Encode(publicid.User, id); back != s {
			t.Errorf("%q decodes to %d, which encodes to %q", s, id, back)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	c := codec(b)
	for b.Loop() {
		c.Encode(publicid.Post, 123456)
	}
}
