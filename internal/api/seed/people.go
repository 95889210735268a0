package seed

import (
	"strings"
	"time"
)

// table is rows on their way into one table.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

func newTable(name, columns string) *table {
	return &table{name: name, columns: strings.Fields(columns)}
}

func (t *table) add(values ...any) { t.rows = append(t.rows, values) }

const joining = 365 * 24 * time.Hour // people join in the year before the first post

// users makes the accounts with ids in [from, to).
func (w *world) users(from, to int64) *table {
	t := newTable("users", "id handle display_name password_hash created_at bio")
	texts := bios()
	for id := from; id < to; id++ {
		handle, display, bio := "", "", ""
		switch {
		case id == demoID:
			handle, display = Handle, "Demo"
		case id < w.first:
			handle = Viewers()[id-firstViewer]
			display = strings.ReplaceAll(strings.ToUpper(handle[:1])+handle[1:], "_", " ")
		default:
			handle, display = person(int(id - w.first))
			bio = pick(newRNG(w.seed, kindUser, id), texts)
		}
		ago := time.Duration(int64(w.Users)-id+1) * joining / time.Duration(w.Users)
		t.add(id, handle, display, w.hash, w.at(0).Add(-ago).Truncate(time.Second), bio)
	}
	return t
}

func (w *world) blockRows() *table {
	t := newTable("blocks", "blocker_id blocked_id created_at")
	for _, b := range w.blocks {
		t.add(b[0], b[1], w.at(0))
	}
	return t
}

// seen makes where accounts with ids in [from, to) have read their notifications up to: three in ten never looked.
func (w *world) seen(from, to int64) [][]any {
	var rows [][]any
	half := w.notices() / 2
	for id := max(from, w.first); id < to; id++ {
		if r := newRNG(w.seed, kindSeen, id); r.below(10) >= 3 {
			rows = append(rows, []any{id, half + int64(r.below(int(half)+1))})
		}
	}
	return rows
}

func (w *world) seenRows(from, to int64) *table {
	t := newTable("notification_state", "user_id last_seen_id")
	t.rows = w.seen(from, to)
	return t
}

// followedByDemo is everybody in a small community, and the hundred most popular of a larger one.
func (w *world) followedByDemo() []int64 {
	out := make([]int64, min(w.crowd, 100))
	for rank := range out {
		out[rank] = w.atRank(rank)
	}
	return out
}

// followed returns whom an account follows. Nobody follows who is hidden from them.
func (w *world) followed(id int64) []int64 {
	switch {
	case id == demoID:
		return w.followedByDemo()
	case id < w.first && Viewers()[id-firstViewer] == ViewerRare:
		return w.band(id, len(w.authors.upTo)-1)
	case id < w.first && Viewers()[id-firstViewer] == ViewerSilent:
		return w.band(id, w.crowd-1)
	case id < w.first:
		return w.popular(id, w.viewerFollows(id))
	}
	return w.popular(id, w.degree(int(id-w.first)))
}

// band returns the people with the ranks from last downwards.
func (w *world) band(id int64, last int) []int64 {
	var out []int64
	for rank := last; len(out) < w.viewerFollows(id); rank-- {
		if other := w.atRank(rank); !w.hidden[[2]int64{id, other}] {
			out = append(out, other)
		}
	}
	return out
}

func (w *world) popular(id int64, n int) []int64 {
	ranks := w.fans.distinct(newRNG(w.seed, kindFollow, id), n, func(rank int) bool {
		other := w.atRank(rank)
		return other == id || w.hidden[[2]int64{id, other}]
	})
	out := make([]int64, n)
	for i, rank := range ranks {
		out[i] = w.atRank(rank)
	}
	return out
}
