package timeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/postgres/db"
)

// events returns rows as the query does, newest first: each is kind, post, actor and hours ago.
func events(rows ...[4]any) []db.ListNotificationsRow {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	var out []db.ListNotificationsRow
	for i, r := range rows {
		e := db.ListNotificationsRow{
			ID: int64(1000 - i), Kind: r[0].(string), ActorID: int64(r[2].(int)),
			CreatedAt: now.Add(-time.Duration(float64(time.Hour) * r[3].(float64))),
		}
		if id, status := int64(r[1].(int)), "placed"; e.Kind == "order" {
			e.OrderID, e.OrderStatus = &id, &status
		} else if id != 0 {
			e.PostID = &id
		}
		out = append(out, e)
	}
	return out
}

// show writes notifications as kind/post:people[actors].
func show(p Page[Notification]) string {
	var s string
	for _, n := range p.Items {
		s += fmt.Sprintf("%s/%d:%d%v ", n.Kind, n.Post+n.Order, n.People, len(n.Actors))
	}
	return s + fmt.Sprint(p.Next)
}

func TestGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events []db.ListNotificationsRow
		limit  int
		want   string
	}{
		"nothing":              {nil, 5, "0"},
		"one kind, one post":   {events([4]any{"like", 7, 1, 0.0}, [4]any{"like", 7, 2, 1.0}), 5, "like/7:22 0"},
		"the same person":      {events([4]any{"comment", 7, 1, 0.0}, [4]any{"comment", 7, 1, 1.0}), 5, "comment/7:11 0"},
		"kinds stay apart":     {events([4]any{"like", 7, 1, 0.0}, [4]any{"comment", 7, 1, 0.1}), 5, "like/7:11 comment/7:11 0"},
		"others in between":    {events([4]any{"like", 7, 1, 0.0}, [4]any{"follow", 0, 3, 0.1}, [4]any{"like", 7, 2, 0.2}), 5, "like/7:22 follow/0:11 0"},
		"12 hours are within":  {events([4]any{"like", 7, 1, 0.0}, [4]any{"like", 7, 2, 12.0}), 5, "like/7:22 0"},
		"later is another":     {events([4]any{"like", 7, 1, 0.0}, [4]any{"like", 7, 2, 12.1}, [4]any{"like", 7, 3, 13.0}), 5, "like/7:11 like/7:22 0"},
		"many people":          {events([4]any{"like", 7, 1, 0.0}, [4]any{"like", 7, 2, 0.0}, [4]any{"like", 7, 3, 0.0}, [4]any{"like", 7, 4, 0.0}), 5, "like/7:43 0"},
		"orders have no actor": {events([4]any{"order", 7, 0, 0.0}, [4]any{"order", 8, 0, 1.0}, [4]any{"order", 7, 0, 2.0}), 5, "order/7:00 order/8:00 0"},
		"stops at the limit":   {events([4]any{"like", 7, 1, 0.0}, [4]any{"like", 7, 2, 0.0}, [4]any{"like", 8, 2, 0.0}), 1, "like/7:22 999"},
	} {
		if got := show(group(c.events, c.limit)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A page reads a bounded number of events, whatever they group to.
func TestGroupStopsAtMaxEvents(t *testing.T) {
	t.Parallel()
	var rows [][4]any
	for i := range maxEvents + 1 {
		rows = append(rows, [4]any{"like", 7, i + 1, 0.0})
	}
	if got, want := show(group(events(rows...), 5)), fmt.Sprintf("like/7:%d3 %d", maxEvents, 1000-maxEvents+1); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]terms{
		"Ana":         {"ana", "ana~", "Ana:*"},
		" ana_o ":     {"ana_o", "ana_o~", "ana:* & o:*"},
		"Inês Silva":  {"", "", "Inês:* & Silva:*"},
		"a'b | !c:*":  {"", "", "a:* & b:* & c:*"},
		"%":           {},
		"_":           {"_", "_~", ""},
		"\x00\xff":    {},
		"ben & jerry": {"", "", "ben:* & jerry:*"},
	} {
		if got := termsOf(q); got != want {
			t.Errorf("%q: %+v, want %+v", q, got, want)
		}
	}
}
