package timeline

import (
	"context"
	"time"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

type notificationStore interface {
	ListNotifications(ctx context.Context, arg db.ListNotificationsParams) ([]db.ListNotificationsRow, error)
	CountUnread(ctx context.Context, arg db.CountUnreadParams) (int64, error)
	MarkSeen(ctx context.Context, arg db.MarkSeenParams) (int64, error)
}

// Notification is what happened to one target. ID, Comment, OrderStatus, Seen and CreatedAt are of its newest event.
type Notification struct {
	ID          int64
	Kind        string           // follow, like, comment or order
	Post        int64            // 0 but for likes and comments
	Comment     int64            // 0 but for comments
	Order       int64            // 0 but for orders
	OrderStatus string           // empty but for orders
	Actors      []account.Person // the newest few; none for an order
	People      int64            // how many different people
	Seen        bool
	CreatedAt   time.Time
}

const (
	maxEvents   = 200            // rows read for a page
	groupWithin = 12 * time.Hour // from the newest event of a notification to its oldest
	maxActors   = 3
	// MaxUnread is the highest count of unread events.
	MaxUnread = 99
)

// Notifications returns what happened to viewer, newest first.
func (s *Service) Notifications(ctx context.Context, viewer int64, at Slice) (Page[Notification], error) {
	events := Slice{Cursor: at.Cursor, Limit: maxEvents}
	rows, err := s.store.ListNotifications(ctx, db.ListNotificationsParams{
		ViewerID: viewer, BeforeID: events.Cursor, PageSize: events.Fetch(),
	})
	if err != nil {
		return Page[Notification]{}, fault.Op("list notifications", err)
	}
	return group(rows, int(at.Limit)), nil
}

// group gathers events, newest first, into at most limit notifications: one for each kind and post or order within 12 hours. It
// stops before the event that would begin one more, and before the surplus event that only says that there are more.
func group(events []db.ListNotificationsRow, limit int) Page[Notification] {
	type target struct {
		kind        string
		post, order int64
	}
	var page Page[Notification]
	latest := map[target]int{}
	seen := map[[2]int64]bool{} // notification and actor
	for i, e := range events {
		t := target{e.Kind, orZero(e.PostID), orZero(e.OrderID)}
		at, open := latest[t]
		begins := !open || page.Items[at].CreatedAt.Sub(e.CreatedAt) > groupWithin
		if i == maxEvents || begins && len(page.Items) == limit {
			page.Next = events[i-1].ID
			break
		}
		if begins {
			at = len(page.Items)
			latest[t] = at
			page.Items = append(page.Items, Notification{
				ID: e.ID, Kind: e.Kind, Post: t.post, Comment: orZero(e.CommentID), Order: t.order, OrderStatus: orZero(e.OrderStatus),
				Seen: e.Seen, CreatedAt: e.CreatedAt,
			})
		}
		if n := &page.Items[at]; e.ActorID != 0 && !seen[[2]int64{n.ID, e.ActorID}] {
			seen[[2]int64{n.ID, e.ActorID}] = true
			n.People++
			if len(n.Actors) < maxActors {
				n.Actors = append(n.Actors, account.Person{ID: e.ActorID, Handle: e.Handle, DisplayName: e.DisplayName})
			}
		}
	}
	return page
}

func orZero[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}

// Unread returns how many events viewer has not seen, up to MaxUnread, and whether there are more.
func (s *Service) Unread(ctx context.Context, viewer int64) (int64, bool, error) {
	n, err := s.store.CountUnread(ctx, db.CountUnreadParams{ViewerID: viewer, AtMost: MaxUnread + 1})
	return min(n, MaxUnread), n > MaxUnread, fault.Op("count unread", err)
}

// MarkSeen marks the notification id and all older ones.
func (s *Service) MarkSeen(ctx context.Context, viewer, id int64) error {
	n, err := s.store.MarkSeen(ctx, db.MarkSeenParams{ViewerID: viewer, ID: id})
	if pg.Is(err, pg.ForeignKeyViolation) {
		return accountGone()
	}
	if err == nil && n == 0 {
		return Absent(aNotification)
	}
	return fault.Op("mark seen", err)
}
