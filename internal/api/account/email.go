package account

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/confirmation"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// Email is the address of an account, shown to nobody but its owner. Both are nil where there is none.
type Email struct {
	Address    *string
	VerifiedAt *time.Time
}

// Email returns the address of an account.
func (s *Service) Email(ctx context.Context, account int64) (Email, error) {
	e, err := s.store.EmailOf(ctx, account)
	if errors.Is(err, pgx.ErrNoRows) {
		return Email{}, errGone()
	}
	return Email{e.Email, e.EmailVerifiedAt}, fault.Op("read address", err)
}

// ChangeEmail mails a code to the address that an account wants. It is the account's when ConfirmEmail gets the code.
func (s *Service) ChangeEmail(ctx context.Context, who Identity, email, current string) (Mailed, error) {
	email, err := mail.ParseAddress(email, s.dotless)
	if err != nil {
		return Mailed{}, err
	}
	if _, err := s.confirm(ctx, who.Account, current); err != nil {
		return Mailed{}, fault.Op("change address", err)
	}
	return s.ask(ctx, confirmation.Request{Purpose: confirmation.Email, Email: email, Account: who.Account})
}

// ask answers the same whatever the address is.
func (s *Service) ask(ctx context.Context, r confirmation.Request) (Mailed, error) {
	err := pg.OnceInTx(ctx, s.db, func(tx pgx.Tx) error { return s.confirms.Ask(ctx, tx, r) })
	return Mailed{r.Email, r.Purpose}, err
}

// ConfirmEmail gives an account the address that it asked for. Only the account itself can: a code that reached the wrong person
// is of no use to them. The address before is told.
func (s *Service) ConfirmEmail(ctx context.Context, who Identity, code string) (Email, error) {
	c, err := s.confirms.Try(ctx, confirmation.Email, "", who.Account, code)
	if err != nil {
		return Email{}, err
	}
	var set db.SetEmailRow
	err = pg.OnceInTx(ctx, s.db, func(tx pgx.Tx) (err error) {
		q := db.New(tx)
		if err := s.confirms.Use(ctx, q, c); err != nil {
			return err
		}
		if err := q.FreeAddress(ctx, c.Email); err != nil {
			return err
		}
		set, err = q.SetEmail(ctx, db.SetEmailParams{ID: who.Account, Email: c.Email})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errGone()
		case err != nil:
			return taken(err)
		case set.Previous == nil || strings.EqualFold(*set.Previous, c.Email):
			return nil
		}
		return s.confirms.Tell(ctx, tx, c, set.Previous)
	})
	return Email{&c.Email, set.EmailVerifiedAt}, fault.Op("confirm address", err)
}

// Forgot mails a code to the confirmed address of an account, and does and answers the same where there is none.
func (s *Service) Forgot(ctx context.Context, email string) (Mailed, error) {
	email, err := mail.ParseAddress(email, s.dotless)
	if err != nil {
		return Mailed{}, err
	}
	return s.ask(ctx, confirmation.Request{Purpose: confirmation.Reset, Email: email})
}

// Reset sets a new password with the code that was mailed, ends every session and returns how many that were. Nothing is hashed
// for a wrong code.
func (s *Service) Reset(ctx context.Context, email, code, password string) (ended int, err error) {
	email, err = mail.ParseAddress(email, s.dotless)
	if err != nil {
		return 0, err
	}
	c, err := s.confirms.Try(ctx, confirmation.Reset, email, 0, code)
	if err != nil {
		return 0, err
	}
	hash, err := s.hasher.Hash(ctx, normalise(password))
	if err != nil {
		return 0, fault.Op("reset password", err)
	}
	err = s.sessions.Change(ctx, func(in *session.Change) error {
		if err := s.confirms.Use(ctx, in.Queries, c); err != nil {
			return err
		}
		n, err := in.ResetPassword(ctx, db.ResetPasswordParams{ID: c.Account, OldHash: c.PasswordHash, NewHash: hash, Email: c.Email})
		if err == nil && n == 0 { // another password, another address, banned or gone by now
			err = confirmation.ErrBadCode()
		}
		if err == nil {
			err = s.confirms.Tell(ctx, in.Tx, c, nil)
		}
		if err == nil {
			ended, err = in.RevokeAll(ctx, c.Account, 0, session.Password)
		}
		return err
	})
	return ended, fault.Op("reset password", err)
}
