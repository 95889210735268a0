package account

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/keyring"
)

// turning is a ring that a test replaces.
type turning struct{ ring keyring.Ring }

func (t *turning) Ring() keyring.Ring { return t.ring }

// A token that was verified before is believed exactly as long as it would be if it came for the first time.
func TestRememberedTokens(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	now := start
	first := ring(t, 1)
	keys := &turning{first}
	tk := NewTokens(keys, codec(t), 10*time.Minute, func() time.Time { return now })
	token, err := tk.Issue(claims(42, now))
	if err != nil {
		t.Fatal(err)
	}
	agree := func(what string, want bool) {
		t.Helper()
		fresh, ok := tk.check(token)
		for range 2 { // the second time from memory, if at all
			got, err := tk.Verify(token)
			if (err == nil) != want || ok != want || got != fresh.claims {
				t.Errorf("%s: %+v, %v; without memory %+v, %v; want %v", what, got, err, fresh.claims, ok, want)
			}
		}
	}
	agree("new", true)
	if _, ok := tk.remembered(token); !ok {
		t.Error("it is not remembered")
	}
	for at := -10 * time.Second; at < 11*time.Minute; at += time.Second / 2 {
		now = start.Add(at)
		agree(at.String(), at >= -leeway && at < 10*time.Minute+leeway)
	}
	now = start
	agree("its time once more", true)

	next, err := first.Rotate(keyring.Rotation{Now: now, Seed: bytes.Repeat([]byte{2}, ed25519.SeedSize), Grace: time.Minute, Overlap: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	keys.ring = next
	agree("a new key waits", true)
	now = start.Add(119 * time.Second)
	agree("the new key signs", true)
	now = start.Add(120 * time.Second)
	agree("the old key has ended", false)

	now, keys.ring = start, first
	agree("the old ring once more", true)
	keys.ring = ring(t, 3)
	agree("a ring without the key", false)
	keys.ring = first
	if _, err := tk.Verify(token + "A"); err == nil {
		t.Error("another spelling of a remembered token was believed")
	}
}

// However many people come, memory is bounded, and many at once get what is theirs.
func TestMemoryOfTokensIsBounded(t *testing.T) {
	t.Parallel()
	tk := tokens(t, 1, time.Now)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range maxVerified {
				n := int64(w*maxVerified + i)
				token := string(binary.BigEndian.AppendUint64(nil, uint64(n)))
				key := tk.keys.Ring().Keys()[0]
				tk.remember(token, signed{claims: claims(n, time.Now()), expires: time.Now().Add(time.Minute), kid: key.Kid, key: key.Public()})
				if c, ok := tk.remembered(token); ok && c.Account != n {
					t.Errorf("the token of %d is that of %d", n, c.Account)
				}
			}
		})
	}
	wg.Wait()
	tk.verified.cache.CleanUp()
	if n := tk.verified.cache.EstimatedSize(); n > maxVerified {
		t.Errorf("%d tokens are remembered, want %d at most", n, maxVerified)
	}
}

// What memory saves at each request: a signature checked, against a hash looked up, in turns.
func BenchmarkVerify(b *testing.B) {
	tk := tokens(b, 1, time.Now)
	var all [100]string
	for i := range all {
		var err error
		if all[i], err = tk.Issue(claims(int64(i+1), time.Now())); err != nil {
			b.Fatal(err)
		}
	}
	var checked, remembered time.Duration
	n := 0
	for b.Loop() {
		start := time.Now()
		for _, token := range all {
			if _, ok := tk.check(token); !ok {
				b.Fatal("refused")
			}
		}
		between := time.Now()
		for _, token := range all {
			if _, err := tk.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
		checked, remembered = checked+between.Sub(start), remembered+time.Since(between)
		n += len(all)
	}
	b.ReportMetric(float64(checked.Nanoseconds())/float64(n)/1000, "µs/checked")
	b.ReportMetric(float64(remembered.Nanoseconds())/float64(n)/1000, "µs/remembered")
}
