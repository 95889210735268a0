// Package timeline is what people write, do and read: profiles, follows, blocks, posts, comments, likes, the home feed and
// notifications. One file a concept.
//
// Invariants: every read is for a viewer (0 is nobody) and goes through the visible_*() functions of the schema, so whoever
// is hidden from the viewer, deleted or banned answers exactly like somebody who never existed, and counts leave them out;
// the feed is exact for every cursor and costs nothing on write (the frontier query of queries/timeline.sql).
package timeline

import (
	"errors"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// Store is the named queries this package needs, by concept.
type Store interface {
	profileStore
	followStore
	blockStore
	postStore
	commentStore
	likeStore
	notificationStore
}

// Start is the cursor of the first page of a list that descends; one that ascends starts at 0.
const Start = math.MaxInt64

// Service is the rules of the timeline.
type Service struct{ store Store }

// New returns a Service.
func New(store Store) *Service { return &Service{store: store} }

// Slice asks for a part of a list: at most Limit items beyond the cursor.
type Slice struct {
	Cursor int64
	Limit  int32
}

// Fetch is how many rows to read: one more than asked for says whether another page follows.
func (s Slice) Fetch() int32 { return s.Limit + 1 }

// Page is one page of a list. Next is the cursor of the following page, 0 on the last one.
type Page[T any] struct {
	Items []T
	Next  int64
}

// PageOf turns rows into items, of which there may be one more than the page has: that one is cut off. cursor returns an
// item's place in the list.
func PageOf[R, T any](rows []R, s Slice, item func(R) T, cursor func(T) int64) Page[T] {
	var p Page[T]
	more := len(rows) > int(s.Limit)
	if more {
		rows = rows[:s.Limit]
	}
	p.Items = make([]T, len(rows))
	for i, r := range rows {
		p.Items[i] = item(r)
	}
	if more {
		p.Next = cursor(p.Items[len(rows)-1])
	}
	return p
}

// personRow is what every query that lists people returns.
type personRow interface {
	~struct {
		ID          int64
		Handle      string
		DisplayName string
	}
}

func peoplePage[R personRow](rows []R, s Slice) Page[account.Person] {
	return PageOf(rows, s, func(r R) account.Person { return account.Person(r) }, func(p account.Person) int64 { return p.ID })
}

// The nouns of what may be absent. One text for each, whyever it is absent.
const (
	aPerson       = "person"
	aPost         = "post"
	aComment      = "comment"
	aNotification = "notification"
)

// Absent is the answer to an id behind which the viewer may see nothing, whether there is something or not.
func Absent(noun string) error { return fault.New(fault.NotFound, "there is no such %s", noun) }

// outcome names the operation in the error of a query on one thing. No row means that the thing is absent, a broken foreign
// key that the viewer's own account is.
func outcome(op string, err error, noun string) error {
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Absent(noun)
	case pg.Is(err, pg.ForeignKeyViolation):
		return accountGone()
	}
	return fault.Op(op, err)
}

func accountGone() error {
	return fault.New(fault.Unauthenticated, "the account no longer exists").WithCode("account_gone")
}

func notYours(noun string) error {
	return fault.New(fault.Forbidden, "the %s is somebody else's", noun).WithCode("not_yours")
}

// orAbsent lets an empty list pass when what it belongs to is there. The list is read first, because that is the usual case;
// a hidden owner and one that never existed take the same two steps.
func orAbsent(op string, rows int, noun string, exists func() (bool, error)) error {
	if rows > 0 {
		return nil
	}
	ok, err := exists()
	if err != nil {
		return fault.Op(op, err)
	}
	if !ok {
		return Absent(noun)
	}
	return nil
}
