package session

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

// Start is the cursor before the newest session.
const Start = 1<<63 - 1

// maxAgent is the longest user agent in characters, as the schema has it.
const maxAgent = 200

// Session is what its owner sees of a live session.
type Session struct {
	ID         int64     `json:"id"`
	UserAgent  string    `json:"user_agent"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// List returns the live sessions of account that are older than before, newest first, and the cursor of the next page: 0
// when there is none.
func (s *Service) List(ctx context.Context, account, before int64, limit int32) (page []Session, next int64, err error) {
	rows, err := db.New(s.db).ListSessions(ctx, db.ListSessionsParams{UserID: account, BeforeID: before, PageSize: limit + 1})
	if err != nil {
		return nil, 0, fault.Op("list sessions", err)
	}
	if len(rows) > int(limit) {
		rows = rows[:limit]
		next = rows[limit-1].ID
	}
	page = make([]Session, len(rows))
	for i, r := range rows {
		page[i] = Session(r)
	}
	return page, next, nil
}

// Account is what an operator sees of somebody.
type Account struct {
	ID        int64      `json:"id"`
	Handle    string     `json:"handle"`
	Role      string     `json:"role"` // member, moderator or admin
	BannedAt  *time.Time `json:"banned_at,omitempty"`
	DeletedAt *time.Time `json:"deleted_at,omitempty"`
	PurgeAt   *time.Time `json:"purge_at,omitempty"` // of a deleted one: when it is purged; none: it is, but for its ban
}

// Find looks an account up by its handle.
func (s *Service) Find(ctx context.Context, handle string) (Account, error) {
	u, err := db.New(s.db).UserByHandle(ctx, strings.ToValidUTF8(strings.ReplaceAll(handle, "\x00", ""), ""))
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, fault.New(fault.NotFound, "nobody has the handle %q", handle).
			WithHint("handles are letters, digits and underscores; case does not matter")
	}
	if err != nil {
		return Account{}, fault.Op("look up account", err)
	}
	return Account(u), nil
}

// cleanAgent makes a header that a client chose fit to be stored and shown.
func cleanAgent(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > maxAgent {
		s = string(r[:maxAgent])
	}
	return s
}
