package moderation

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

// Role is what somebody may do to others.
type Role string

// The roles, as the schema has them.
const (
	Member    Role = "member"
	Moderator Role = "moderator"
	Admin     Role = "admin"
)

// ParseRole reads a role.
func ParseRole(s string) (Role, error) {
	r := Role(s)
	if r != Member && r != Moderator && r != Admin {
		return "", fault.New(fault.Usage, "%.40q is not member, moderator or admin", s)
	}
	return r, nil
}

// atLeast says whether r may what needs may. A role that this release doesn't know may nothing.
func (r Role) atLeast(needs Role) bool {
	return r == Admin || r == needs || r == Moderator && needs == Member
}

// actsOn says whether r may act on somebody: moderators on members, admins on everybody.
func (r Role) actsOn(other Role) bool { return r == Admin || r == Moderator && other == Member }

// Actor is who acts: an account, or an operator at the server's command line, who may everything.
type Actor struct {
	Account  int64
	Operator string // a name for the log; only without an account
}

// permit refuses an actor who is not what it needs.
func permit(ctx context.Context, q *db.Queries, by Actor, needs Role) error {
	if by.Account == 0 && by.Operator != "" {
		return nil
	}
	role, err := q.RoleOf(ctx, by.Account)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errGone()
	case err != nil:
		return err
	case !Role(role).atLeast(needs):
		return errNeeds(needs)
	}
	return nil
}

func errNeeds(r Role) error {
	if r == Admin {
		return fault.New(fault.Forbidden, "this is for admins").WithCode("not_admin")
	}
	return fault.New(fault.Forbidden, "this is for moderators").WithCode("not_moderator")
}

func errGone() error {
	return fault.New(fault.Unauthenticated, "the account no longer exists").WithCode("account_gone")
}

// RoleChange is what became of somebody's role.
type RoleChange struct {
	Subject // as it is now
	From    Role
}

// SetRole makes somebody a member, a moderator or an admin. Giving the role that they have does nothing.
func (s *Service) SetRole(ctx context.Context, by Actor, id int64, to Role, reason string) (RoleChange, error) {
	var out RoleChange
	err := s.act(ctx, by, plan{op: "set role", needs: Admin, reason: reason, find: onPersonOfRank(id)}, func(a *act) error {
		if a.subject == nil || a.subject.Deleted {
			return absent(User, pgx.ErrNoRows)
		}
		out = RoleChange{Subject: *a.subject, From: a.subject.Role}
		if out.Role = to; out.From == to {
			return nil
		}
		if a.subject.Banned && !out.From.atLeast(to) {
			return fault.New(fault.Conflict, "%s is banned, and a role counts for nothing until that ends", a.subject.Handle).WithCode("banned").
				WithHint("lift the ban first: platctl auth unban %s", a.subject.Handle)
		}
		if err := a.notTheLast(ctx); err != nil {
			return err
		}
		if err := a.Queries.SetRole(ctx, db.SetRoleParams{ID: id, Role: string(to)}); err != nil {
			return err
		}
		from, now := string(out.From), string(to)
		return a.record(ctx, db.AppendModerationParams{
			Action: string(RoleChanged), TargetKind: string(User), TargetID: id, RoleFrom: &from, RoleTo: &now,
		})
	})
	return out, err
}

// notTheLast refuses to leave the community without an admin. The lock of roles is held.
func (a *act) notTheLast(ctx context.Context) error { return notTheLast(ctx, a.Queries, *a.subject) }

func notTheLast(ctx context.Context, q *db.Queries, s Subject) error {
	if s.Role != Admin || s.Banned || s.Deleted {
		return nil
	}
	another, err := q.AnotherAdmin(ctx, s.ID)
	if err == nil && !another {
		return fault.New(fault.Conflict, "%s is the last admin", s.Handle).WithCode("last_admin").
			WithHint("make somebody else an admin first: platctl auth role <handle> admin")
	}
	return err
}

// KeepAnAdmin refuses to let an account go that is the last admin, in the transaction in which it would go. It comes before every
// other lock.
func KeepAnAdmin(ctx context.Context, q *db.Queries, id int64) error {
	if err := q.LockRoles(ctx); err != nil {
		return err
	}
	rows, err := q.LockAccounts(ctx, []int64{id})
	if err != nil || len(rows) == 0 {
		return err
	}
	return notTheLast(ctx, q, subjectOf(rows[0]))
}

// onPersonOfRank finds a person by their id, and keeps roles as they are until the act commits.
func onPersonOfRank(id int64) func(context.Context, *db.Queries) (int64, error) {
	return func(ctx context.Context, q *db.Queries) (int64, error) { return id, q.LockRoles(ctx) }
}
