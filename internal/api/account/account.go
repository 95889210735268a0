// Package account is who people are: signing up, logging in and tokens.
//
// Invariants: a password is hashed by Hasher and nowhere else, so memory and CPU of hashing are bounded whatever the
// load; an unknown handle and a wrong password cost the same work and give the same answer, and so do an e-mail address that
// has an account and one that has none; an address stands on an account only when a code that was mailed to it has come
// back; a Token is only ever signed and checked by Tokens.
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

	"github.com/platctl/platctl/internal/api/confirmation"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/base/fault"
)

// maxName is the longest display name in characters, as the schema has it.
const maxName = 80

// Person is what everybody may see of somebody.
type Person struct {
	ID          int64
	Handle      string
	DisplayName string
}

// Session is what signing up, logging in and refreshing answer with.
type Session struct {
	Person    Person
	Token     string
	Refresh   string
	ExpiresIn time.Duration
}

// Identity is who a request comes from.
type Identity struct {
	Account int64
	Session int64
}

// Service is the rules of accounts.
type Service struct {
	db       session.DB
	store    *db.Queries
	hasher   *Hasher
	tokens   *Tokens
	sessions *session.Service
	grace    time.Duration
	confirms *confirmation.Service
	verifies bool
	dotless  bool
	dummy    string // hash of no password, checked when the handle is unknown
	gate     Gate
}

// Options is what a Service is made of.
type Options struct {
	DB            session.DB
	Hasher        *Hasher
	Tokens        *Tokens
	Sessions      *session.Service
	DeletionGrace time.Duration // how long a deleted account can be restored
	Confirmations *confirmation.Service
	VerifyEmail   bool // whether an account is made only when a code has confirmed its address
	Dotless       bool // whether addresses like ana@localhost will do
	Gate          Gate // passed before a password is looked at; nil: open
}

// New returns a Service. It hashes once, to have something to compare with when a handle is unknown.
func New(ctx context.Context, o Options) (*Service, error) {
	dummy, err := o.Hasher.Hash(ctx, "no password hashes to this")
	if err != nil {
		return nil, fault.Op("prepare accounts", err)
	}
	if o.Gate == nil {
		o.Gate = open{}
	}
	return &Service{
		db: o.DB, store: db.New(o.DB), hasher: o.Hasher, tokens: o.Tokens, sessions: o.Sessions, confirms: o.Confirmations,
		grace: o.DeletionGrace, verifies: o.VerifyEmail, dotless: o.Dotless, dummy: dummy, gate: o.Gate,
	}, nil
}

// Login checks a password. Unknown handle and wrong password are one error after the same work; that an account is banned
// or deleted is said only to who knows its password.
func (s *Service) Login(ctx context.Context, handle, password, userAgent string) (Session, error) {
	u, err := s.prove(ctx, handle, password)
	switch {
	case err != nil:
		return Session{}, fault.Op("log in", err)
	case u.PurgeAt != nil:
		return Session{}, errDeleted(*u.PurgeAt)
	}
	began := s.tokens.now()
	var opened session.Opened
	err = s.sessions.Change(ctx, func(c *session.Change) error {
		opened, err = c.Open(ctx, u.ID, u.PasswordHash, userAgent)
		return err
	})
	if err != nil {
		return Session{}, fault.Op("log in", err)
	}
	return s.session(Person{ID: u.ID, Handle: u.Handle, DisplayName: u.DisplayName}, opened, began)
}

// prove returns the account that handle and password belong to, living or deleted, unless it is banned.
func (s *Service) prove(ctx context.Context, handle, password string) (db.UserCredentialsRow, error) {
	leave, err := s.hasher.Enter() // a flood must not reach the database either
	if err != nil {
		return db.UserCredentialsRow{}, err
	}
	defer leave()
	right, err := s.gate.Try(ctx, handle)
	if err != nil {
		return db.UserCredentialsRow{}, err
	}
	u, err := s.credentials(ctx, handle)
	hash := u.PasswordHash
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		hash = s.dummy
	case err != nil:
		return u, err
	}
	ok, verr := s.hasher.Verify(ctx, hash, normalise(password))
	switch {
	case verr != nil:
		return u, verr
	case !ok || err != nil:
		return u, errBadCredentials()
	}
	right(ctx)
	if u.BannedAt != nil {
		return u, fault.New(fault.Forbidden, "the account is banned").WithCode("banned")
	}
	return u, nil
}

// Refresh answers a refresh token with a new pair.
func (s *Service) Refresh(ctx context.Context, token string) (Session, error) {
	began := s.tokens.now()
	r, err := s.sessions.Refresh(ctx, token)
	if err != nil {
		return Session{}, err
	}
	return s.session(Person{ID: r.Account, Handle: r.Handle, DisplayName: r.DisplayName}, r.Opened, began)
}

// ChangePassword sets a new password, ends every session but the one it is changed from and returns how many that were.
func (s *Service) ChangePassword(ctx context.Context, who Identity, current, password string) (ended int, err error) {
	old, err := s.confirm(ctx, who.Account, current)
	if err != nil {
		return 0, fault.Op("change password", err)
	}
	hash, err := s.hasher.Hash(ctx, normalise(password))
	if err != nil {
		return 0, fault.Op("change password", err)
	}
	ended, err = s.sessions.RevokeAllWith(ctx, who.Account, who.Session, session.Password, func(q *db.Queries) error {
		n, err := q.SetPassword(ctx, db.SetPasswordParams{ID: who.Account, OldHash: old, NewHash: hash})
		if err == nil && n == 0 {
			return errWrongPassword() // somebody else has just changed it
		}
		return err
	})
	return ended, fault.Op("change password", err)
}

// confirm checks the password of an account that is logged in and returns its hash, for the change that follows to hold on to.
func (s *Service) confirm(ctx context.Context, account int64, password string) (hash string, err error) {
	hash, err = s.store.PasswordOf(ctx, account)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", errGone()
	}
	if err != nil {
		return "", err
	}
	ok, err := s.hasher.Verify(ctx, hash, normalise(password))
	if err == nil && !ok {
		err = errWrongPassword()
	}
	return hash, err
}

// Confirm checks the password of an account that is logged in, before something that a stolen session must not do.
func (s *Service) Confirm(ctx context.Context, who Identity, password string) error {
	_, err := s.confirm(ctx, who.Account, password)
	return fault.Op("confirm password", err)
}

func errBadCredentials() error {
	return fault.New(fault.Unauthenticated, "handle or password is wrong").WithCode("bad_credentials")
}

func errWrongPassword() error {
	return fault.New(fault.Forbidden, "the current password is wrong").WithCode("wrong_password").
		WithFields(fault.Field{Field: "body.currentPassword", Code: "wrong", Message: "not the password of this account"})
}

func errGone() error {
	return fault.New(fault.Unauthenticated, "the account no longer exists").WithCode("account_gone")
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

// Authenticate returns who a token was issued to, unless its session has ended.
func (s *Service) Authenticate(ctx context.Context, token string) (Identity, error) {
	c, err := s.tokens.Verify(token)
	if err != nil {
		return Identity{}, err
	}
	return s.Identify(ctx, c)
}

// Claims returns what a token says, without asking whether its session has ended: it does no I/O.
func (s *Service) Claims(token string) (Claims, error) { return s.tokens.Verify(token) }

// Identify returns who verified claims are about, unless their session has ended.
func (s *Service) Identify(ctx context.Context, c Claims) (Identity, error) {
	return Identity{c.Account, c.Session}, s.sessions.Check(ctx, c.Account, c.Session)
}

// session signs the access token of a session. It counts from before the session was written, so no token outlives the
// revocation that may follow, however long this process was paused in between.
func (s *Service) session(p Person, o session.Opened, began time.Time) (Session, error) {
	token, err := s.tokens.Issue(Claims{Account: p.ID, Session: o.ID, Issued: began})
	if err != nil {
		return Session{}, err
	}
	return Session{Person: p, Token: token, Refresh: o.Refresh, ExpiresIn: s.tokens.TTL()}, nil
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
	if !Shows(s) {
		return "", bad("empty", "it has no visible character")
	}
	if utf8.RuneCountInString(s) > maxName {
		return "", bad("too_long", "it has more than 80 characters after normalisation")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || misleads(r) }) {
		return "", bad("control_character", "it contains a control character")
	}
	return s, nil
}

// Shows says whether a text has anything to see: not spaces only, and not what takes no room or draws nothing.
func Shows(s string) bool {
	const brailleBlank = '\u2800'
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != brailleBlank && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
	})
}

// misleads says whether a character breaks a line, or turns the direction of what stands beside a name.
func misleads(r rune) bool {
	return r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
