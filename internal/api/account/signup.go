package account

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/confirmation"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// Newcomer is somebody who signs up.
type Newcomer struct {
	Handle, DisplayName, Password string
	Email                         string // may be empty, unless addresses are confirmed first
}

// VerifiesEmail says whether a signup is Apply and then Verify, or else Signup.
func (s *Service) VerifiesEmail() bool { return s.verifies }

// Signup creates an account and logs it in, both or neither. An address is not the account's yet: it gets a code for
// ConfirmEmail, and whether somebody else has it stays between us and them.
func (s *Service) Signup(ctx context.Context, n Newcomer, userAgent string) (Session, error) {
	n, err := s.clean(n)
	if err != nil {
		return Session{}, err
	}
	hash, err := s.hasher.Hash(ctx, normalise(n.Password))
	if err != nil {
		return Session{}, fault.Op("sign up", err)
	}
	a := account{handle: n.Handle, name: n.DisplayName, hash: hash, agent: userAgent}
	out, err := s.create(ctx, func(tx pgx.Tx) (opened, error) {
		o, err := s.write(ctx, tx, a)
		if err == nil && n.Email != "" {
			err = s.confirms.Ask(ctx, tx, confirmation.Request{Purpose: confirmation.Email, Email: n.Email, Account: o.person.ID})
		}
		return o, err
	})
	return out, fault.Op("sign up", err)
}

// Mailed says what was asked of the mail: not whether anything was sent.
type Mailed struct {
	Email   string
	Purpose confirmation.Purpose
}

// Apply takes a signup down until its code comes back. Nothing is made before: a handle reserved, or an account that can't log
// in, would be a way to keep the owner of an address from using it. The work and the answer are the same whether or not the
// address has an account.
func (s *Service) Apply(ctx context.Context, n Newcomer) (Mailed, error) {
	if n.Email == "" {
		return Mailed{}, fault.New(fault.Invalid, "this server confirms e-mail addresses and needs yours").WithCode("invalid_input").
			WithFields(fault.Field{Field: "email", Code: "required", Message: "is required"})
	}
	n, err := s.clean(n)
	if err != nil {
		return Mailed{}, err
	}
	hash, err := s.hasher.Hash(ctx, normalise(n.Password))
	if err != nil {
		return Mailed{}, fault.Op("sign up", err)
	}
	err = pg.OnceInTx(ctx, s.db, func(tx pgx.Tx) error {
		taken, err := db.New(tx).HandleTaken(ctx, n.Handle)
		if err == nil && taken {
			err = errHandleTaken()
		}
		if err != nil {
			return err
		}
		return s.confirms.Ask(ctx, tx, confirmation.Request{Purpose: confirmation.Signup, Email: n.Email, Handle: n.Handle,
			DisplayName: n.DisplayName, PasswordHash: hash})
	})
	return Mailed{n.Email, confirmation.Signup}, fault.Op("sign up", err)
}

// Verify makes the account that a code confirms, and logs it in.
func (s *Service) Verify(ctx context.Context, email, code, userAgent string) (Session, error) {
	email, err := mail.ParseAddress(email, s.dotless)
	if err != nil {
		return Session{}, err
	}
	c, err := s.confirms.Try(ctx, confirmation.Signup, email, 0, code)
	if err != nil {
		return Session{}, err
	}
	a := account{handle: c.Handle, name: c.DisplayName, hash: c.PasswordHash, agent: userAgent, email: &c.Email}
	out, err := s.create(ctx, func(tx pgx.Tx) (opened, error) {
		if err := s.confirms.Use(ctx, db.New(tx), c); err != nil {
			return opened{}, err
		}
		return s.write(ctx, tx, a)
	})
	return out, fault.Op("verify signup", err)
}

func (s *Service) clean(n Newcomer) (_ Newcomer, err error) {
	if n.DisplayName, err = CleanName(n.DisplayName); err == nil && n.Email != "" {
		n.Email, err = mail.ParseAddress(n.Email, s.dotless)
	}
	return n, err
}

// account is one to be written.
type account struct {
	handle, name, hash, agent string
	email                     *string // confirmed, or nil
}

// opened is an account with its first session.
type opened struct {
	person  Person
	session session.Opened
}

// create runs write in a transaction and returns the session that it opened.
func (s *Service) create(ctx context.Context, write func(tx pgx.Tx) (opened, error)) (Session, error) {
	began := s.tokens.now()
	var o opened
	err := pg.OnceInTx(ctx, s.db, func(tx pgx.Tx) (err error) {
		o, err = write(tx)
		return err
	})
	if err != nil {
		return Session{}, taken(err)
	}
	return s.session(o.person, o.session, began)
}

// write writes an account and opens its first session.
func (s *Service) write(ctx context.Context, tx pgx.Tx, a account) (opened, error) {
	q := db.New(tx)
	if a.email != nil {
		if err := q.FreeAddress(ctx, *a.email); err != nil {
			return opened{}, err
		}
	}
	u, err := q.CreateUser(ctx, db.CreateUserParams{Handle: a.handle, DisplayName: a.name, PasswordHash: a.hash, Email: a.email,
		TraceID: telemetry.TraceID(ctx)})
	if err != nil {
		return opened{}, err
	}
	o, err := s.sessions.Open(ctx, q, u.ID, a.hash, a.agent)
	return opened{Person{ID: u.ID, Handle: u.Handle, DisplayName: u.DisplayName}, o}, err
}

// emailKey is the index that keeps an address from having two accounts.
const emailKey = "users_email_key"

// taken says which of the things that only one account can have was taken.
func taken(err error) error {
	switch {
	case !pg.Is(err, pg.UniqueViolation):
		return err
	case pg.Constraint(err) == emailKey:
		return fault.New(fault.Conflict, "the e-mail address has an account").WithCode("email_taken").
			WithHint("log in, or ask for a new password").
			WithFields(fault.Field{Field: "email", Code: "taken", Message: "it has an account"})
	}
	return errHandleTaken()
}

func errHandleTaken() error {
	return fault.New(fault.Conflict, "the handle is taken").WithCode("handle_taken").
		WithFields(fault.Field{Field: "handle", Code: "taken", Message: "choose another one"})
}
