// Package moderation is how a community looks after itself: what people report, what moderators do about it, and who is one.
//
// Invariants: a role is read from the database in the transaction that it permits something in, and locked there, so a demotion
// counts at once; a moderator acts on members, an admin on everybody, nobody on themselves. An act and its row in the
// moderation log commit together or not at all. The reporter is never shown to the reported: a moderator finds no report about
// themselves. Moderators see what is reported also when its author blocks them; everybody else reports only what they see.
//
// Every act locks the accounts that take part first, lower id first, then content, then reports: two acts never wait for each
// other.
package moderation

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/session"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// maxReason is the longest reason of an act in characters, as the schema has it.
const maxReason = 500

// Kind is what a report or an act is about.
type Kind string

// The kinds.
const (
	User    Kind = "user"
	Post    Kind = "post"
	Comment Kind = "comment"
)

// noun returns the word of the answer to an id behind which there is nothing: the same as everywhere else.
func (k Kind) noun() string {
	if k == User {
		return "person"
	}
	return string(k)
}

// Target is a person, a post or a comment.
type Target struct {
	Kind Kind
	ID   int64
}

// Subject is somebody as a moderator sees them.
type Subject struct {
	account.Person
	Role    Role
	Banned  bool
	Deleted bool // and can come back, so a ban still means something
}

// Options shapes a Service. The functions may be nil.
type Options struct {
	OnReport func(reason string) // a report was accepted
	OnAct    func(action Action) // an act has committed
}

// Service is the rules of moderation.
type Service struct {
	store    *db.Queries
	sessions *session.Service
	opts     Options
	dry      bool
}

// New returns a Service. Its acts run in transactions of sessions, because a ban ends some.
func New(d session.DB, sessions *session.Service, o Options) *Service {
	if o.OnReport == nil {
		o.OnReport = func(string) {}
	}
	if o.OnAct == nil {
		o.OnAct = func(Action) {}
	}
	return &Service{store: db.New(d), sessions: sessions, opts: o}
}

// Rehearsal returns a Service whose acts do what those of s do, up to the commit: they answer, or are refused, as the act would be
// now, and change nothing.
func (s *Service) Rehearsal() *Service {
	dry := *s
	dry.dry = true
	return &dry
}

// errRehearsed ends the transaction of a rehearsed act.
var errRehearsed = errors.New("rehearsed")

// act is one act of moderation, in its transaction.
type act struct {
	*session.Change
	by      Actor
	subject *Subject // nil: their account is gone
	reason  string
	done    []Action
}

// plan is what an act needs before it may begin.
type plan struct {
	op     string
	needs  Role
	reason string
	// find returns whom the act concerns, 0 for somebody who is gone. It runs after the actor's role was checked: to everybody else
	// all ids answer alike.
	find func(ctx context.Context, q *db.Queries) (int64, error)
}

// onPerson finds a person by their id.
func onPerson(id int64) func(context.Context, *db.Queries) (int64, error) {
	return func(context.Context, *db.Queries) (int64, error) { return id, nil }
}

// act runs do in a transaction in which by may act on whom p finds.
func (s *Service) act(ctx context.Context, by Actor, p plan, do func(a *act) error) error {
	reason, err := timeline.CleanText("reason", maxReason, by.Account == 0, p.reason)
	if err != nil {
		return err
	}
	a := &act{by: by, reason: reason}
	err = s.sessions.Change(ctx, func(c *session.Change) error {
		a.Change = c
		if err := permit(ctx, c.Queries, by, p.needs); err != nil {
			return err
		}
		subject, err := p.find(ctx, c.Queries)
		if err == nil {
			err = a.lock(ctx, subject, p.needs)
		}
		if err != nil {
			return err
		}
		if err = do(a); err == nil && s.dry {
			return errRehearsed
		}
		return err
	})
	if errors.Is(err, errRehearsed) {
		return nil
	}
	if err != nil {
		return fault.Op(p.op, err)
	}
	for _, action := range a.done {
		s.opts.OnAct(action)
	}
	return nil
}

// lock locks the accounts that take part, and checks again who they are by now.
func (a *act) lock(ctx context.Context, subject int64, needs Role) error {
	rows, err := a.LockAccounts(ctx, []int64{a.by.Account, subject})
	if err != nil {
		return err
	}
	account := func(id int64) *Subject {
		i := slices.IndexFunc(rows, func(r db.LockAccountsRow) bool { return r.ID == id })
		if i < 0 {
			return nil
		}
		s := subjectOf(rows[i])
		return &s
	}
	a.subject = account(subject)
	if a.by.Account == 0 {
		return nil
	}
	actor := account(a.by.Account)
	switch {
	case actor == nil || actor.Banned || actor.Deleted:
		return errGone()
	case !actor.Role.atLeast(needs):
		return errNeeds(needs)
	case a.by.Account == subject:
		return fault.New(fault.Conflict, "nobody moderates themselves").WithCode("self_moderation")
	case a.subject != nil && !actor.Role.actsOn(a.subject.Role):
		return fault.New(fault.Forbidden, "only admins act on moderators and admins").WithCode("outranked")
	}
	return nil
}

func subjectOf(r db.LockAccountsRow) Subject {
	return Subject{account.Person{ID: r.ID, Handle: r.Handle, DisplayName: r.DisplayName}, Role(r.Role), r.BannedAt != nil, r.Deleted}
}

// actor returns who acts, for a column that is null at the command line.
func (a *act) actor() *int64 {
	if a.by.Account == 0 {
		return nil
	}
	return &a.by.Account
}

// record appends e to the moderation log. The caller fills in what was done; who did it, why and in which request is a's.
func (a *act) record(ctx context.Context, e db.AppendModerationParams) error {
	e.ActorID, e.Operator, e.Reason, e.TraceID = a.actor(), a.by.Operator, a.reason, telemetry.TraceID(ctx)
	if a.subject != nil {
		e.SubjectID = &a.subject.ID
	}
	if _, err := a.AppendModeration(ctx, e); err != nil {
		return err
	}
	a.done = append(a.done, Action(e.Action))
	return nil
}

// absent is err, but the answer to an id behind which there is nothing where no row came.
func absent(k Kind, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return timeline.Absent(k.noun())
	}
	return err
}
