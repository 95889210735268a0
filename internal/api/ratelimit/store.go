package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
	"github.com/platctl/platctl/internal/base/pg"
)

// Version is one policy that is or was in force.
type Version struct {
	Version   int64         `json:"version"` // 0: none was ever applied, and what the spec declares holds
	Author    string        `json:"author,omitempty"`
	Why       string        `json:"why,omitempty"`
	AppliedAt *time.Time    `json:"applied_at,omitempty"`
	Policy    limits.Policy `json:"policy"`
}

// Store is the versions in the database.
type Store struct{ q *db.Queries }

// NewStore returns a Store on a pool, a connection or a transaction.
func NewStore(d db.DBTX) *Store { return &Store{db.New(d)} }

// Newest returns the version in force; version 0 without a policy when none was ever applied.
func (s *Store) Newest(ctx context.Context) (Version, error) {
	row, err := s.q.RatelimitNewest(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return Version{}, nil
	}
	if err != nil {
		return Version{}, explain(err)
	}
	return read(row)
}

// Get returns one version.
func (s *Store) Get(ctx context.Context, version int64) (Version, error) {
	row, err := s.q.RatelimitPolicy(ctx, version)
	if errors.Is(err, pgx.ErrNoRows) {
		return Version{}, fault.New(fault.NotFound, "there is no version %d", version).
			WithHint("`platctl ratelimit history` lists what there is")
	}
	if err != nil {
		return Version{}, explain(err)
	}
	return read(row)
}

// Entry is a version with what it changed.
type Entry struct {
	Version
	Changes []limits.Change `json:"changes"` // from the version before; from what is declared for the first
}

// History returns versions, newest first, n at most, each with what changed for a server that declares this.
func (s *Store) History(ctx context.Context, declared limits.Policy, n int) ([]Entry, error) {
	rows, err := s.q.RatelimitHistory(ctx, db.RatelimitHistoryParams{BeforeVersion: math.MaxInt64, PageSize: int32(n + 1)})
	if err != nil {
		return nil, explain(err)
	}
	out := make([]Entry, 0, len(rows))
	for _, row := range rows {
		v, err := read(row)
		if err != nil {
			return nil, err
		}
		if len(out) > 0 {
			out[len(out)-1].Changes = limits.Diff(v.Policy.Over(declared), out[len(out)-1].Policy.Over(declared))
		}
		out = append(out, Entry{Version: v})
	}
	if len(out) > n {
		return out[:n], nil
	}
	if len(out) > 0 {
		out[len(out)-1].Changes = limits.Diff(declared, out[len(out)-1].Policy.Over(declared))
	}
	return out, nil
}

// Apply puts a policy into force, as the version after the one that the caller has seen. What it leaves out stays as it is
// declared; the caller has seen to it that the whole can be enforced, and a server that can't leaves its limits as they are.
func (s *Store) Apply(ctx context.Context, seen int64, p limits.Policy, author, why string) (Version, error) {
	if err := p.ValidatePart(); err != nil {
		return Version{}, err
	}
	text, err := p.Marshal()
	if err != nil {
		return Version{}, err
	}
	err = s.q.ApplyRatelimitPolicy(ctx, db.ApplyRatelimitPolicyParams{Version: seen + 1, Policy: string(text), Author: author, Why: why})
	if pg.Is(err, pg.UniqueViolation) {
		return Version{}, fault.New(fault.Busy, "somebody has just applied version %d; nothing was done", seen+1).
			WithHint("`platctl ratelimit history` tells who and why; look at the difference again")
	}
	if err != nil {
		return Version{}, explain(err)
	}
	return s.Get(ctx, seen+1)
}

func read(row db.RatelimitPolicy) (Version, error) {
	p, err := limits.Parse([]byte(row.Policy))
	if err != nil {
		e := *fault.From(err)
		e.Message = fmt.Sprintf("version %d can't be read: %s", row.Version, e.Message)
		return Version{}, &e
	}
	return Version{Version: row.Version, Author: row.Author, Why: row.Why, AppliedAt: &row.AppliedAt, Policy: p}, nil
}

// explain turns what the database says about a schema that is too old into the next step.
func explain(err error) error {
	if pg.Is(err, pg.UndefinedTable) {
		return fault.Wrap(err, fault.Unavailable, "this database has no limits: its schema is too old").
			WithHint("`platctl migrate status` shows the schema; `platctl migrate up` brings it forward")
	}
	return fault.Op("read limits", err)
}
