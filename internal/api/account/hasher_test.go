package account

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	h := NewHasher(1, 8, time.Minute)
	t.Cleanup(h.Close)
	one, err := h.Hash(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%s, %v", one, err)
	}
	two, err := h.Hash(t.Context(), "correct horse")
	if err != nil || one == two {
		t.Errorf("two hashes of one password are equal: the salt is not fresh (%v)", err)
	}
	for password, want := range map[string]bool{"correct horse": true, "correct horsf": false, "": false} {
		if ok, err := h.Verify(t.Context(), one, password); ok != want || err != nil {
			t.Errorf("Verify(%q) = %v, %v", password, ok, err)
		}
	}
}

// One worker, room for one: the third is refused at once, one that has waited too long is refused, and both say so with
// the same code.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(1, 1, time.Second)
		release := make(chan struct{})
		running, queued := make(chan error, 1), make(chan error, 1)
		go func() { running <- h.do(t.Context(), func(Deriver) { <-release }) }()
		synctest.Wait()
		go func() { queued <- h.do(t.Context(), func(Deriver) { t.Error("work that nobody waits for ran") }) }()
		synctest.Wait()
		start := time.Now()
		wantSaturated(t, h.do(t.Context(), func(Deriver) {}))
		if waited := time.Since(start); waited != 0 {
			t.Errorf("a full queue made the caller wait %s", waited)
		}
		wantSaturated(t, <-queued)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %s in the queue, want 1s", waited)
		}
		close(release)
		if err := <-running; err != nil { // it began in time, so it may take longer than the wait
			t.Error(err)
		}
		h.Close()
	})
}

func wantSaturated(t *testing.T, err error) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Unavailable || e.Code != "hashing_saturated" {
		t.Errorf("error %v, want hashing_saturated", err)
	}
}

// A client that goes away frees its request at once and its slot when the work ends: memory stays bounded.
func TestAbandonedWorkKeepsItsSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(1, 8, time.Minute)
		release, gone := make(chan struct{}), make(chan error, 2)
		ctx, leave := context.WithCancel(t.Context())
		go func() { gone <- h.do(ctx, func(Deriver) { <-release }) }()
		synctest.Wait()
		go func() { gone <- h.do(ctx, func(Deriver) { t.Error("work abandoned in the queue ran") }) }()
		synctest.Wait()
		leave()
		for range 2 {
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("abandoned: %v", err)
			}
		}
		began := false
		next := make(chan error, 1)
		go func() { next <- h.do(t.Context(), func(Deriver) { began = true }) }()
		synctest.Wait()
		if began {
			t.Error("a second hash ran beside the abandoned one")
		}
		close(release)
		if err := <-next; err != nil || !began {
			t.Errorf("after the slot was free: %v, ran %v", err, began)
		}
		h.Close()
	})
}

// Stored hashes with costs or sizes out of bounds are refused before anything is computed.
func TestCostsAreCapped(t *testing.T) {
	t.Parallel()
	const salt, key = "c2FsdHNhbHRzYWx0c2FsdA", "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U"
	good := "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key
	if _, err := parsePHC(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "unused", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=19456", "m=77825", 1), strings.Replace(good, "m=19456", "m=4294967295", 1),
		strings.Replace(good, "m=19456", "m=7", 1), strings.Replace(good, "t=2", "t=0", 1), strings.Replace(good, "t=2", "t=17", 1),
		strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=9", 1), strings.Replace(good, "p=1", "p=256", 1),
		strings.Replace(good, salt, "c2FsdA", 1), strings.Replace(good, key, "a2V5", 1), strings.Replace(good, salt, "!", 1),
		strings.Replace(good, "m=19456,t=2,p=1", "m=19456;t=2", 1), good + "$", strings.Replace(good, "p=1", "p=1,x=9", 1),
	} {
		if p, err := parsePHC(bad); err == nil {
			t.Errorf("%s was read as %+v", bad, p)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$a2V5a2V5a2V5a2V5a2V5a2V5")
	f.Add("$argon2id$v=19$m=4294967296,t=-1,p=999$$")
	f.Fuzz(func(t *testing.T, phc string) {
		p, err := parsePHC(phc)
		if err == nil && (p.memory > 4*hashMemory || p.time > 16 || p.threads == 0 || len(p.key) < 16 || len(p.key) > 64) {
			t.Fatalf("%q was read as %+v", phc, p)
		}
	})
}
