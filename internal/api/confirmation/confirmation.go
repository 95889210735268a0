// Package confirmation is what waits until somebody has proven that an e-mail address is theirs: an account to be, a new address
// of an account, a new password.
//
// Invariants: asking costs the same and is answered the same whoever the address belongs to; what differs is decided later, in a
// job, and only the owner of the address learns of it. A code is made when it is mailed and is stored only as a keyed hash; it is
// compared at most maxTries times, is good for a while and works once, also for two who use it at once. A code belongs to one
// request: it never confirms what somebody else asked for with the same address. An address gets perHour mails an hour for
// a purpose and one a minute; what is more is dropped, because an answer that told it would tell who has an account. Jobs carry
// ids; addresses and codes stay out of logs and errors.
package confirmation

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// Purpose is what a code is good for.
type Purpose string

// The purposes, as the schema has them.
const (
	Signup Purpose = "signup" // an account
	Email  Purpose = "email"  // another address for an account
	Reset  Purpose = "reset"  // another password
)

// Life is how long a code of a purpose is good for.
func (p Purpose) Life() time.Duration {
	if p == Signup {
		return 24 * time.Hour
	}
	return time.Hour
}

// The limits of codes and of mails.
const (
	maxTries = 5             // comparisons with one code
	maxCodes = 5             // of one request: its mail may be tried more often than that
	perHour  = 3             // mails to one address for one purpose
	pause    = time.Minute   // between two of them
	late     = 6 * time.Hour // after that a mail is not sent any more; the last attempt comes after four
)

// Keep is how long a request is of use: late, and the life of a code that was made then.
const Keep = 30 * time.Hour

// DB is a pool, a connection or a transaction.
type DB interface {
	db.DBTX
	pg.Beginner
}

// Options is what a Service is made of.
type Options struct {
	DB      DB
	Jobs    *jobs.Queue
	JobsDB  DB // the database for jobs; unused where this server works none
	Sender  mail.Sender
	Site    string // how the site calls itself in mails
	Key     []byte // a secret that every server has
	Log     *slog.Logger
	Limited func(kind string) // called for every mail that the limits of an address keep back; may be nil
}

// Service takes requests, mails their codes and takes the codes back.
type Service struct {
	opts Options
	key  []byte // of the hashes of codes
}

// New returns a Service, and adds its jobs to the queue.
func New(o Options) (*Service, error) {
	key, err := hkdf.Key(sha256.New, o.Key, nil, "platctl confirmation codes 1", sha256.Size)
	if err != nil {
		return nil, fault.Op("prepare confirmations", err)
	}
	if o.Limited == nil {
		o.Limited = func(string) {}
	}
	s := &Service{opts: o, key: key}
	jobs.Handle(o.Jobs, s.mailCode)
	jobs.Handle(o.Jobs, s.mailNotice)
	return s, nil
}

// Request is what somebody asks for.
type Request struct {
	Purpose Purpose
	Email   string // as mail.ParseAddress returns it
	Account int64  // whose address is to change; else 0

	Handle, DisplayName, PasswordHash string // of the account to be, for Signup
}

// Ask writes a request down, with the job that mails its code, in the caller's transaction.
func (s *Service) Ask(ctx context.Context, tx pgx.Tx, r Request) error {
	id, err := db.New(tx).CreateConfirmation(ctx, db.CreateConfirmationParams{
		Purpose: string(r.Purpose), Email: r.Email, UserID: unlessZero(r.Account), Handle: unlessZero(r.Handle),
		DisplayName: unlessZero(r.DisplayName), PasswordHash: unlessZero(r.PasswordHash),
	})
	if err == nil {
		err = s.opts.Jobs.Insert(ctx, tx, mailArgs{Confirmation: id})
	}
	return fault.Op("ask for a confirmation", err)
}

func unlessZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// Confirmed is a request whose code came back.
type Confirmed struct {
	ID           int64
	Email        string
	Account      int64  // of Email and Reset
	Handle       string // of Signup
	DisplayName  string // of Signup
	PasswordHash string // of Signup: the new one; of Reset: the one to be replaced
}

// Try compares a code that was mailed to an address, or for Email to the address that account asked for. Every failure is the
// same error. It changes nothing but the number of tries left: Use comes next.
func (s *Service) Try(ctx context.Context, p Purpose, email string, account int64, text string) (Confirmed, error) {
	c, ok := parseCode(text)
	if !ok {
		return Confirmed{}, ErrBadCode()
	}
	rows, err := db.New(s.opts.DB).TryCode(ctx, db.TryCodeParams{
		Selector: c.selector, Purpose: string(p), MaxTries: maxTries, Email: email, UserID: account,
	})
	if err != nil {
		return Confirmed{}, fault.Op("check code", err)
	}
	for _, r := range rows {
		if c.is(r.Mac, s.key, r.ID) {
			return Confirmed{ID: r.ID, Email: r.Email, Account: orZero(r.UserID), Handle: orZero(r.Handle),
				DisplayName: orZero(r.DisplayName), PasswordHash: orZero(r.PasswordHash)}, nil
		}
	}
	return Confirmed{}, ErrBadCode()
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// Use marks a request as done, in q's transaction. Who comes second gets the error of a wrong code.
func (s *Service) Use(ctx context.Context, q *db.Queries, c Confirmed) error {
	n, err := q.UseConfirmation(ctx, c.ID)
	if err == nil && n == 0 {
		return ErrBadCode()
	}
	return fault.Op("use code", err)
}

// Tell mails the person what was changed, in the caller's transaction: to the address that was replaced, or to the account's own
// where replaced is nil.
func (s *Service) Tell(ctx context.Context, tx pgx.Tx, c Confirmed, replaced *string) error {
	err := db.New(tx).NoteReplacedAddress(ctx, db.NoteReplacedAddressParams{ID: c.ID, PreviousEmail: replaced})
	if err == nil {
		err = s.opts.Jobs.Insert(ctx, tx, noticeArgs{Confirmation: c.ID})
	}
	return fault.Op("tell of a change", err)
}

// ErrBadCode is the answer to every code that confirms nothing.
func ErrBadCode() error {
	return fault.New(fault.Forbidden, "the code is wrong, was used or is too old").WithCode("bad_code").
		WithHint("ask for another one")
}
