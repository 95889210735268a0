package confirmation

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/jobs"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// mailArgs is the job that answers a request by mail.
type mailArgs struct {
	Confirmation int64 `json:"confirmation"`
}

// Kind implements jobs.Args.
func (mailArgs) Kind() string { return "confirmation_mail" }

// noticeArgs is the job that tells somebody of a change.
type noticeArgs struct {
	Confirmation int64 `json:"confirmation"`
}

// Kind implements jobs.Args.
func (noticeArgs) Kind() string { return "confirmation_notice" }

// mailCode answers a request. An attempt after a failed one makes another code, because the first is not stored; both are good,
// because the mail of a failed attempt may have arrived.
func (s *Service) mailCode(ctx context.Context, args mailArgs) error {
	var m *mail.Message
	err := pg.InTx(ctx, s.opts.JobsDB, func(tx pgx.Tx) (err error) {
		m, err = s.prepare(ctx, db.New(tx), args.Confirmation)
		return err
	})
	if err != nil || m == nil {
		return fault.Op("prepare mail", err)
	}
	return s.send(ctx, *m)
}

func (s *Service) send(ctx context.Context, m mail.Message) error {
	id, err := s.opts.Sender.Send(ctx, m)
	if errors.Is(err, mail.ErrRejected) {
		return jobs.GiveUp(err)
	}
	if err == nil {
		s.opts.Log.InfoContext(ctx, "mail sent", "kind", m.Kind, "message_id", id)
	}
	return err
}

// prepare returns the mail that a request deserves, nil for none.
func (s *Service) prepare(ctx context.Context, q *db.Queries, id int64) (*mail.Message, error) {
	r, err := q.ConfirmationToMail(ctx, db.ConfirmationToMailParams{ID: id, LateSeconds: late.Seconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	owner, err := q.AddressOwner(ctx, r.Email)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	l, ok := choose(r, owner)
	if !ok {
		return nil, q.DropConfirmation(ctx, id)
	}
	if ok, err := s.admit(ctx, q, r, l.kind); err != nil || !ok {
		return nil, err
	}
	if Purpose(r.Purpose) == Reset {
		if err := q.BindReset(ctx, db.BindResetParams{ID: id, UserID: &owner.ID, PasswordHash: &owner.PasswordHash}); err != nil {
			return nil, err
		}
	}
	var text string
	if l.code {
		c := newCode()
		text = c.String()
		err = q.AddCode(ctx, db.AddCodeParams{ConfirmationID: id, Selector: c.selector, Mac: c.mac(s.key, id), Keep: maxCodes - 1,
			LifeSeconds: Purpose(r.Purpose).Life().Seconds()})
	}
	m := l.message(s.opts.Site, text, Purpose(r.Purpose).Life())
	return &m, err
}

// choose decides what the owner of an address is told. owner is empty where nobody living has it; somebody who is banned gets
// nothing.
func choose(r db.ConfirmationToMailRow, owner db.AddressOwnerRow) (letter, bool) {
	nobody := owner.ID == 0
	switch {
	case owner.BannedAt != nil:
		return letter{}, false
	case r.Purpose == string(Signup) && nobody:
		return signupCode(r.Email, orZero(r.Handle)), true
	case r.Purpose == string(Signup):
		return signupTaken(owner.Email, owner.Handle), true
	case r.Purpose == string(Email) && (nobody || owner.ID == orZero(r.UserID)):
		return emailCode(r.Email, orZero(r.Asker)), true
	case r.Purpose == string(Email):
		return emailTaken(owner.Email, owner.Handle, orZero(r.Asker)), true
	case r.Purpose == string(Reset) && !nobody: // to the address that was confirmed, however this one is spelt
		return resetCode(owner.Email, owner.Handle), owner.PasswordHash == orZero(r.PasswordHash) || r.PasswordHash == nil
	}
	return letter{}, false
}

// admit lets a request through the limits of its address, once: later attempts of the job are the same mail.
func (s *Service) admit(ctx context.Context, q *db.Queries, r db.ConfirmationToMailRow, kind string) (bool, error) {
	if r.MailedAt != nil {
		return true, nil
	}
	if err := q.LockAddress(ctx, db.LockAddressParams{Purpose: r.Purpose, Email: r.Email}); err != nil {
		return false, err
	}
	n, err := q.AdmitMail(ctx, db.AdmitMailParams{ID: r.ID, PauseSeconds: pause.Seconds(), PerHour: perHour})
	if err != nil || n == 1 {
		return n == 1, err
	}
	s.opts.Limited(kind)
	return false, q.DropConfirmation(ctx, r.ID)
}

// mailNotice tells somebody what was changed: at the address that was replaced, else at the account's own.
func (s *Service) mailNotice(ctx context.Context, args noticeArgs) error {
	r, err := db.New(s.opts.JobsDB).ConfirmationToTell(ctx, args.Confirmation)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fault.Op("prepare mail", err)
	}
	switch {
	case r.Purpose == string(Email) && r.PreviousEmail != nil:
		return s.send(ctx, emailReplaced(*r.PreviousEmail, r.Handle).message(s.opts.Site, "", 0))
	case r.Purpose == string(Reset) && r.Email != nil:
		return s.send(ctx, resetDone(*r.Email, r.Handle).message(s.opts.Site, "", 0))
	}
	return nil
}
