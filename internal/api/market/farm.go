package market

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/currency"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// What somebody is to a farm.
const (
	Owner  = "owner"
	Member = "member"
)

const (
	maxFarms   = 20 // that one person owns
	maxMembers = 50 // of one farm: each is told of every order
)

// Farm sells in one currency.
type Farm struct {
	ID          int64
	Name        string
	Description string
	Currency    string
	CreatedAt   time.Time
}

// MyFarm is a farm with what somebody is to it.
type MyFarm struct {
	Farm
	Role string
}

// FarmMember is somebody who acts for a farm.
type FarmMember struct {
	account.Person
	Role  string
	Since time.Time
}

// CreateFarm opens a farm that viewer owns.
func (s *Service) CreateFarm(ctx context.Context, viewer int64, name, description, code string) (Farm, error) {
	name, err := cleanLine("name", maxName, name)
	if err != nil {
		return Farm{}, err
	}
	description, err = timeline.CleanText("description", maxDescription, true, description)
	if err != nil {
		return Farm{}, err
	}
	if _, err := currency.ParseISO(code); err != nil {
		return Farm{}, fault.New(fault.Invalid, "there is no such currency").WithCode("invalid_input").
			WithFields(fault.Field{Field: "body.currency", Code: "unknown", Message: "use a code of ISO 4217"})
	}
	owned, err := s.q.CountOwnedFarms(ctx, viewer)
	if err != nil {
		return Farm{}, fault.Op("create farm", err)
	}
	if owned >= maxFarms {
		return Farm{}, fault.New(fault.Conflict, "you own %d farms; that is the limit", owned).WithCode("too_many_farms")
	}
	r, err := s.q.CreateFarm(ctx, db.CreateFarmParams{ViewerID: viewer, Name: name, Description: description, Currency: code})
	if errors.Is(err, pgx.ErrNoRows) {
		return Farm{}, errGone()
	}
	return Farm(r), farmFault("create farm", err)
}

func farmFault(op string, err error) error {
	if pg.Is(err, pg.UniqueViolation) {
		return fault.New(fault.Conflict, "a farm with that name exists").WithCode("farm_name_taken").
			WithFields(fault.Field{Field: "body.name", Code: "taken", Message: "choose another one"})
	}
	return fault.Op(op, err)
}

// Farm returns one farm.
func (s *Service) Farm(ctx context.Context, id int64) (Farm, error) {
	r, err := s.q.FarmByID(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Farm{}, timeline.Absent(aFarm)
	}
	return Farm(r), fault.Op("read farm", err)
}

// FarmChange is what changes on a farm; nil leaves a field alone.
type FarmChange struct {
	Name        *string
	Description *string
}

// UpdateFarm changes a farm, as its owner.
func (s *Service) UpdateFarm(ctx context.Context, viewer, id int64, c FarmChange) (Farm, error) {
	p := ProductChange{Name: c.Name, Description: c.Description}
	if err := p.clean(); err != nil {
		return Farm{}, err
	}
	if err := s.owns(ctx, viewer, id); err != nil {
		return Farm{}, fault.Op("update farm", err)
	}
	r, err := s.q.UpdateFarm(ctx, db.UpdateFarmParams{ID: id, Name: p.Name, Description: p.Description})
	return Farm(r), farmFault("update farm", err)
}

// MyFarms returns the farms that viewer acts for, newest first.
func (s *Service) MyFarms(ctx context.Context, viewer int64, at timeline.Slice) (timeline.Page[MyFarm], error) {
	rows, err := s.q.ListMyFarms(ctx, db.ListMyFarmsParams{ViewerID: viewer, BeforeID: at.Cursor, PageSize: at.Fetch()})
	page := timeline.PageOf(rows, at, func(r db.ListMyFarmsRow) MyFarm {
		return MyFarm{Farm{r.ID, r.Name, r.Description, r.Currency, r.CreatedAt}, r.Role}
	}, func(f MyFarm) int64 { return f.ID })
	return page, fault.Op("list my farms", err)
}

// Members returns who acts for a farm, newest account first, to those who do.
func (s *Service) Members(ctx context.Context, viewer, farm int64, at timeline.Slice) (timeline.Page[FarmMember], error) {
	if _, err := s.memberOf(ctx, viewer, farm); err != nil {
		return timeline.Page[FarmMember]{}, fault.Op("list members", err)
	}
	rows, err := s.q.ListFarmMembers(ctx, db.ListFarmMembersParams{FarmID: farm, BeforeID: at.Cursor, PageSize: at.Fetch()})
	page := timeline.PageOf(rows, at, func(r db.ListFarmMembersRow) FarmMember { return member(db.SetFarmMemberRow(r)) },
		func(m FarmMember) int64 { return m.ID })
	return page, fault.Op("list members", err)
}

func member(r db.SetFarmMemberRow) FarmMember {
	return FarmMember{account.Person{ID: r.ID, Handle: r.Handle, DisplayName: r.DisplayName}, r.Role, r.CreatedAt}
}

// SetMember makes somebody a member or an owner, as an owner. Changes of one farm's members take turns, so of two owners who
// step down at the same time one stays.
func (s *Service) SetMember(ctx context.Context, viewer, farm, who int64, role string) (FarmMember, error) {
	var out FarmMember
	err := s.membersOf(ctx, farm, func(q *db.Queries) error {
		if err := owns(ctx, q, viewer, farm); err != nil {
			return err
		}
		beside, err := q.CountFarmMembers(ctx, db.CountFarmMembersParams{FarmID: farm, BesideID: who})
		switch {
		case err != nil:
			return err
		case role != Owner && beside.Owners == 0:
			return errLastOwner()
		case beside.Members >= maxMembers:
			return fault.New(fault.Conflict, "a farm has up to %d members", maxMembers).WithCode("too_many_members")
		}
		r, err := q.SetFarmMember(ctx, db.SetFarmMemberParams{ViewerID: viewer, FarmID: farm, UserID: who, Role: role})
		if errors.Is(err, pgx.ErrNoRows) {
			return timeline.Absent("person")
		}
		out = member(r)
		return err
	})
	return out, fault.Op("set member", err)
}

// RemoveMember ends a membership: anybody's, as an owner, or viewer's own.
func (s *Service) RemoveMember(ctx context.Context, viewer, farm, who int64) error {
	err := s.membersOf(ctx, farm, func(q *db.Queries) error {
		role, err := memberOf(ctx, q, viewer, farm)
		if err == nil && role != Owner && viewer != who {
			err = errOwnersOnly()
		}
		if err != nil {
			return err
		}
		beside, err := q.CountFarmMembers(ctx, db.CountFarmMembersParams{FarmID: farm, BesideID: who})
		if err != nil {
			return err
		}
		was, err := q.RemoveFarmMember(ctx, db.RemoveFarmMemberParams{FarmID: farm, UserID: who})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return timeline.Absent(aMember)
		case err == nil && was == Owner && beside.Owners == 0:
			return errLastOwner()
		}
		return err
	})
	return fault.Op("remove member", err)
}

// membersOf runs fn in a transaction that has the farm's members to itself.
func (s *Service) membersOf(ctx context.Context, farm int64, fn func(q *db.Queries) error) error {
	return pg.InTx(ctx, s.db, func(tx pgx.Tx) error {
		q := db.New(tx)
		if _, err := q.LockFarm(ctx, farm); errors.Is(err, pgx.ErrNoRows) {
			return timeline.Absent(aFarm)
		} else if err != nil {
			return err
		}
		return fn(q)
	})
}

func errLastOwner() error {
	return fault.New(fault.Conflict, "a farm keeps an owner; make somebody else one first").WithCode("last_owner")
}

func errOwnersOnly() error {
	return fault.New(fault.Forbidden, "only an owner of the farm may do this").WithCode("owners_only")
}

// memberOf returns what viewer is to a farm, and refuses whoever is nothing to it.
func (s *Service) memberOf(ctx context.Context, viewer, farm int64) (role string, err error) {
	return memberOf(ctx, s.q, viewer, farm)
}

func memberOf(ctx context.Context, q *db.Queries, viewer, farm int64) (role string, err error) {
	r, err := q.FarmForMember(ctx, db.FarmForMemberParams{ViewerID: viewer, ID: farm})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", timeline.Absent(aFarm)
	case err != nil:
		return "", err
	case r.Role == "":
		return "", errNotAMember()
	}
	return r.Role, nil
}

func (s *Service) owns(ctx context.Context, viewer, farm int64) error {
	return owns(ctx, s.q, viewer, farm)
}

func owns(ctx context.Context, q *db.Queries, viewer, farm int64) error {
	role, err := memberOf(ctx, q, viewer, farm)
	if err == nil && role != Owner {
		err = errOwnersOnly()
	}
	return err
}
