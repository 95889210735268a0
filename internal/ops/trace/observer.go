package trace

import (
	"context"
	_ "embed"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/poll.sql
var sqlPoll string

// Pauses between two looks, each of which takes some 0.3 ms. Before the first one stands a pause too: what is shorter waits for
// nobody worth telling, and its locks are read afterwards.
const (
	pollEvery = 2 * time.Millisecond
	pollGates = 500 * time.Microsecond // while a gate is shut: the statement waits for us
)

// observer looks at the worker's locks from a session of its own while a statement runs. Each look is a transaction of its own, so it
// holds no snapshot.
type observer struct {
	conn *pgx.Conn
}

// held is a lock by oid.
type held struct {
	oid  uint32
	mode Mode
}

// sighting is what the looks at one statement have seen.
type sighting struct {
	locks map[held]bool
	waits []Wait
	gated time.Duration // that gates have held it up
	err   error

	waiting map[wanted]time.Time
}

// wanted is a lock that isn't granted.
type wanted struct {
	what string // locktype, and of what
	oid  uint32
	mode string
	gate bool
}

// row is one line of a look.
type row struct {
	kind    string
	oid     uint32
	mode    string
	granted bool
	what    string
	behind  []int32
}

// watch looks at session pid until the returned function is called, and opens each gate that it sees pid wait for.
func (o *observer) watch(ctx context.Context, pid uint32, g *gates) func() *sighting {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &sighting{locks: map[held]bool{}, waiting: map[wanted]time.Time{}}
	done, began := make(chan struct{}), time.Now()
	go func() {
		defer close(done)
		defer g.open()
		for {
			pause := pollEvery
			if len(g.pids()) > 0 {
				pause = pollGates
			}
			if time.Since(began) > gateLimit {
				g.open()
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if s.err = o.look(ctx, pid, g, s); s.err != nil {
				return
			}
		}
	}()
	return func() *sighting {
		cancel()
		<-done
		s.see(nil, nil, time.Now())
		return s
	}
}

func (o *observer) look(ctx context.Context, pid uint32, g *gates, s *sighting) error {
	rows, err := o.conn.Query(context.WithoutCancel(ctx), sqlPoll, pid)
	if err != nil {
		return err
	}
	now, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var x row
		return x, r.Scan(&x.kind, &x.oid, &x.mode, &x.granted, &x.what, &x.behind)
	})
	if err != nil {
		return err
	}
	s.see(now, g.pids(), time.Now())
	for _, r := range now {
		for _, b := range r.behind {
			g.release(b, Mode(r.mode))
		}
	}
	return nil
}

// see notes the locks of a look, and how long what is waited for no more was waited for.
func (s *sighting) see(now []row, gates []int32, at time.Time) {
	still := map[wanted]time.Time{}
	for _, r := range now {
		if r.kind == "relation" {
			s.locks[held{r.oid, Mode(r.mode)}] = true
		}
		if r.granted {
			continue
		}
		w := wanted{what: r.kind + " " + r.what, oid: r.oid, mode: r.mode}
		w.gate = slices.ContainsFunc(r.behind, func(pid int32) bool { return slices.Contains(gates, pid) })
		since, ok := s.waiting[w]
		if !ok {
			since = at
			if !w.gate {
				s.waits = append(s.waits, wait(w, r.behind))
			}
		}
		still[w] = since
	}
	for w, since := range s.waiting {
		if _, ok := still[w]; ok {
			continue
		}
		if w.gate {
			s.gated += at.Sub(since)
			continue
		}
		for i := range s.waits {
			if s.waits[i].For == w.what && s.waits[i].Mode == w.mode && s.waits[i].oid == w.oid && s.waits[i].MS == 0 {
				s.waits[i].MS = ms(at.Sub(since))
			}
		}
	}
	s.waiting = still
}

func wait(w wanted, behind []int32) Wait {
	out := Wait{For: w.what, Mode: w.mode, oid: w.oid}
	for _, b := range behind {
		out.Behind = append(out.Behind, int(b))
	}
	return out
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
