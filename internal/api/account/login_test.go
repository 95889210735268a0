package account

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
)

// empty is a store without anybody in it.
type empty struct{ Store }

func (empty) UserCredentials(context.Context, string) (db.UserCredentialsRow, error) {
	return db.UserCredentialsRow{}, pgx.ErrNoRows
}

// An unknown handle costs a hash like a known one: while no hash can be made, it is not answered either.
func TestUnknownHandleCostsAHash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(1, 1, time.Second)
		s, err := New(t.Context(), empty{}, h, &Tokens{})
		if err != nil {
			t.Fatal(err)
		}
		release, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- h.do(t.Context(), func() { <-release }) }()
		synctest.Wait()
		for _, handle := range []string{"nobody", "nobody\x00"} {
			_, err = s.Login(t.Context(), handle, "correct horse")
			wantSaturated(t, err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.Close()
	})
}

// remembering is a store of one account.
type remembering struct {
	Store
	hash string
}

func (r *remembering) CreateUser(_ context.Context, arg db.CreateUserParams) (db.CreateUserRow, error) {
	r.hash = arg.PasswordHash
	return db.CreateUserRow{ID: 1, Handle: arg.Handle, DisplayName: arg.DisplayName}, nil
}

func (r *remembering) UserCredentials(context.Context, string) (db.UserCredentialsRow, error) {
	return db.UserCredentialsRow{ID: 1, PasswordHash: r.hash}, nil
}

// The same password typed on two keyboards arrives as different bytes (a ligature, a decomposed letter) and still opens.
func TestPasswordsAreNormalised(t *testing.T) {
	t.Parallel()
	h := NewHasher(1, 8, time.Minute)
	t.Cleanup(h.Close)
	tk, err := NewTokens(bytes.Repeat([]byte{1}, 32), time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), &remembering{}, h, tk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Signup(t.Context(), "ana", "Ana", "\ufb01sch caf\u00e9"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Login(t.Context(), "ana", "fisch cafe\u0301"); err != nil {
		t.Errorf("typed on another keyboard: %v", err)
	}
	if _, err := s.Login(t.Context(), "ana", "fisch cafe"); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("another password: %v", err)
	}
}
