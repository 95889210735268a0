package account

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
)

// nobody is a database without anybody in it. The test runs on a fake clock, which a real server can't share.
type nobody struct{ db.DBTX }

func (nobody) QueryRow(context.Context, string, ...any) pgx.Row { return nobody{} }

// Scan implements pgx.Row.
func (nobody) Scan(...any) error { return pgx.ErrNoRows }

// An unknown handle costs a hash like a known one: while no hash can be made, it is not answered either.
func TestUnknownHandleCostsAHash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(1, 1, time.Second)
		s := &Service{gate: open{}, store: db.New(nobody{}), hasher: h, tokens: &Tokens{}}
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
