package account

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

// nobody is a database without anybody in it. The tests run on a fake clock, which a real server can't share.
type nobody struct {
	db.DBTX
	asked *atomic.Int64
	wait  chan struct{} // until it is closed nobody is answered
}

func (n nobody) QueryRow(context.Context, string, ...any) pgx.Row {
	n.asked.Add(1)
	<-n.wait
	return n
}

func empty() nobody {
	n := nobody{asked: new(atomic.Int64), wait: make(chan struct{})}
	close(n.wait)
	return n
}

// Scan implements pgx.Row.
func (nobody) Scan(...any) error { return pgx.ErrNoRows }

// An unknown handle costs a hash like a known one: while no hash can be made, it is not answered either.
func TestUnknownHandleCostsAHash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(1, 1, time.Second)
		s := &Service{gate: open{}, store: db.New(empty()), hasher: h, tokens: &Tokens{}}
		var err error
		if s.dummy, err = h.Hash(t.Context(), "no password hashes to this"); err != nil {
			t.Fatal(err)
		}
		release, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- h.do(t.Context(), func(Deriver) { <-release }) }()
		synctest.Wait()
		for _, handle := range []string{"nobody", "nobody\x00"} {
			_, err = s.Login(t.Context(), handle, "correct horse", "")
			wantSaturated(t, err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.Close()
	})
}

// Of a thousand who log in at the same moment only those ask the database for whom there is a place.
func TestFloodStaysOutsideTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(1, 8, time.Minute, WithCost(64, 1))
		base := nobody{asked: new(atomic.Int64), wait: make(chan struct{})}
		s := &Service{gate: open{}, store: db.New(base), hasher: h, tokens: &Tokens{}}
		var err error
		if s.dummy, err = h.Hash(t.Context(), "no password hashes to this"); err != nil {
			t.Fatal(err)
		}
		answers := make(chan error, 1000)
		for range 1000 {
			go func() {
				_, err := s.Login(t.Context(), "nobody", "correct horse", "")
				answers <- err
			}()
		}
		synctest.Wait()
		for range 1000 - 9 {
			wantSaturated(t, <-answers)
		}
		if n := base.asked.Load(); n != 9 {
			t.Errorf("the database was asked %d times, with 1 worker and 8 who wait", n)
		}
		close(base.wait)
		for range 9 {
			if err := <-answers; fault.KindOf(err) != fault.Unauthenticated {
				t.Errorf("who was let in was told %v", err)
			}
		}
		if _, err := s.Login(t.Context(), "nobody", "correct horse", ""); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("afterwards: %v", err)
		}
		h.Close()
	})
}
