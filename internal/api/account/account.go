// Package account is who people are: signing up, logging in and tokens.
//
// Invariants: a password is hashed by Hasher and nowhere else, so memory and CPU of hashing are bounded whatever the
// load; an unknown handle and a wrong password cost the same work and give the same answer; a Token is only ever
// signed and checked by Tokens.
package account

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// maxName is the longest display name in characters, as the schema has it.
const maxName = 80

// Store is the named queries this package needs.
type Store interface {
	CreateUser(ctx context.Context, arg db.CreateUserParams) (db.CreateUserRow, error)
	UserCredentials(ctx context.Context, handle string) (db.UserCredentialsRow, error)
}

// Person is what everybody may see of somebody.
type Person struct {
	ID          int64
	Handle      string
	DisplayName string
}

// Session is what signing up and logging in answer with.
type Session struct {
	Person    Person
	Token     string
	ExpiresIn time.Duration
}

// Service is the rules of accounts.
type Service struct {
	store  Store
	hasher *Hasher
	tokens *Tokens
	dummy  string // hash of no password, checked when the handle is unknown
}

// New returns a Service. It hashes once, to have something to compare with when a handle is unknown.
func New(ctx context.Context, store Store, hasher *Hasher, tokens *Tokens) (*Service, error) {
	dummy, err := hasher.Hash(ctx, "no password hashes to this")
	if err != nil {
		return nil, fault.Op("prepare accounts", err)
	}
	return &Service{store: store, hasher: hasher, tokens: tokens, dummy: dummy}, nil
}

// Signup creates an account and logs it in.
func (s *Service) Signup(ctx context.Context, handle, displayName, password string) (Session, error) {
	name, err := CleanName(displayName)
	if err != nil {
		return Session{}, err
	}
	hash, err := s.hasher.Hash(ctx, normalise(password))
	if err != nil {
		return Session{}, fault.Op("sign up", err)
	}
	u, err := s.store.CreateUser(ctx, db.CreateUserParams{Handle: handle, DisplayName: name, PasswordHash: hash, TraceID: telemetry.TraceID(ctx)})
	if pg.Is(err, pg.UniqueViolation) {
		return Session{}, fault.New(fault.Conflict, "the handle is taken").WithCode("handle_taken").
			WithFields(fault.Field{Field: "handle", Code: "taken", Message: "choose another one"})
	}
	if err != nil {
		return Session{}, fault.Op("sign up", err)
	}
	return s.session(Person{ID: u.ID, Handle: u.Handle, DisplayName: u.DisplayName})
}

// Login checks a password. Unknown handle and wrong password are one error after the same work.
func (s *Service) Login(ctx context.Context, handle, password string) (Session, error) {
	u, err := s.credentials(ctx, handle)
	hash := u.PasswordHash
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		hash = s.dummy
	case err != nil:
		return Session{}, fault.Op("log in", err)
	}
	ok, verr := s.hasher.Verify(ctx, hash, normalise(password))
	if verr != nil {
		return Session{}, fault.Op("log in", verr)
	}
	if !ok || err != nil {
		return Session{}, fault.New(fault.Unauthenticated, "handle or password is wrong").WithCode("bad_credentials")
	}
	return s.session(Person{ID: u.ID, Handle: u.Handle, DisplayName: u.DisplayName})
}

// credentials looks a handle up. One that nobody can have is not asked for: PostgreSQL refuses a NUL with an error.
func (s *Service) credentials(ctx context.Context, handle string) (db.UserCredentialsRow, error) {
	impossible := func(r rune) bool {
		return r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}
	if strings.ContainsFunc(handle, impossible) {
		return db.UserCredentialsRow{}, pgx.ErrNoRows
	}
	return s.store.UserCredentials(ctx, handle)
}

// Authenticate returns the id of the account that a token was issued to.
func (s *Service) Authenticate(token string) (int64, error) { return s.tokens.Verify(token) }

func (s *Service) session(p Person) (Session, error) {
	token, err := s.tokens.Issue(p.ID)
	if err != nil {
		return Session{}, err
	}
	return Session{Person: p, Token: token, ExpiresIn: s.tokens.TTL()}, nil
}

// normalise makes the same password typed on two keyboards the same bytes.
func normalise(password string) string { return norm.NFKC.String(password) }

// CleanName trims a display name and refuses one that shows nothing or breaks a line.
func CleanName(s string) (string, error) {
	s = strings.TrimSpace(norm.NFC.String(s))
	bad := func(code, msg string) error {
		return fault.New(fault.Invalid, "the display name can't be used").WithCode("invalid_input").
			WithFields(fault.Field{Field: "displayName", Code: code, Message: msg})
	}
	if s == "" {
		return "", bad("empty", "it has no visible character")
	}
	if utf8.RuneCountInString(s) > maxName {
		return "", bad("too_long", "it has more than 80 characters after normalisation")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", bad("control_character", "it contains a control character")
	}
	return s, nil
}
