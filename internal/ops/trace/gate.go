package trace

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// maxGates is how many tables of one statement get gates.
const maxGates = 4

// gates are transactions that stay open, one for each table. Each has written to it, as those of an application do, and then done what a
// VACUUM does. A statement outside a transaction that can't run beside them waits, and while it waits it shows its locks; as soon as
// that was seen the gate opens, half where only the second lock is in the way. So CREATE INDEX CONCURRENTLY, which would be over
// in a few milliseconds, is always seen.
type gates struct {
	url string

	mu   sync.Mutex
	idle []*pgx.Conn
	shut map[int32]*gate // by process id
}

type gate struct {
	conn *pgx.Conn
	half bool // open for what a writer doesn't hold up
}

const gateTime = 5 * time.Second // for opening or closing one

// gateLimit is how long a gate stays shut at most: a statement may wait for one through another session, which nobody looks at.
const gateLimit = time.Second

// close shuts the gate of each table that the statement names, by itself or by an index.
func (g *gates) close(ctx context.Context, w world, sql string) error {
	for _, r := range named(w, sql) {
		lock := "lock table only " + r.sql + " in row exclusive mode nowait; savepoint half; lock table only " + r.sql + " in share update exclusive mode nowait"
		if r.kind == "m" { // can't be locked by hand; who reads it holds up a REFRESH
			lock = "select from " + r.sql + " limit 0"
		}
		if err := g.shutOne(ctx, lock); err != nil {
			return err
		}
	}
	return nil
}

// shutOne makes one gate. Where the table is gone meanwhile or locked, the statement is traced without.
func (g *gates) shutOne(ctx context.Context, lock string) error {
	conn, err := g.session(ctx)
	if err != nil {
		return err
	}
	refused := conn.PgConn().Exec(ctx, "begin; "+lock).Close() // one round trip
	if refused != nil {
		_, err = conn.Exec(ctx, "rollback")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if refused != nil {
		g.idle = append(g.idle, conn)
		return err
	}
	g.shut[int32(conn.PgConn().PID())] = &gate{conn: conn}
	return nil
}

// session returns one that is free.
func (g *gates) session(ctx context.Context) (*pgx.Conn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.idle); n > 0 {
		conn := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return conn, nil
	}
	return pg.Connect(ctx, g.url, "platctl migrate trace, gate")
}

// named returns the tables that a statement names, by words that are names of them or of their indexes.
func named(w world, sql string) []*relation {
	words := map[string]bool{}
	for _, t := range sqltoken.Split(sql) {
		if t.Name() {
			words[t.Text] = true
		}
	}
	var out []*relation
	for _, r := range w {
		if !words[r.relname] {
			continue
		}
		if r.kind == "i" || r.kind == "I" {
			r = w[r.owner]
		}
		if r != nil && r.rows() && !slices.Contains(out, r) && len(out) < maxGates {
			out = append(out, r)
		}
	}
	return out
}

func (g *gates) pids() []int32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []int32
	for pid := range g.shut {
		out = append(out, pid)
	}
	return out
}

// release opens the gate of a session, if it is one, as far as a request for a lock of this mode needs it.
func (g *gates) release(pid int32, mode Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.shut[pid]
	if x == nil {
		return
	}
	sql := "rollback"
	if mode == ShareUpdateExclusive && !x.half {
		sql = "rollback to savepoint half"
	}
	ctx, cancel := context.WithTimeout(context.Background(), gateTime)
	defer cancel()
	if err := x.conn.PgConn().Exec(ctx, sql).Close(); err != nil {
		delete(g.shut, pid)
		_ = x.conn.Close(ctx) // which rolls back too
		return
	}
	if x.half = sql != "rollback"; !x.half {
		delete(g.shut, pid)
		g.idle = append(g.idle, x.conn)
	}
}

// open opens all of them.
func (g *gates) open() {
	for _, pid := range g.pids() {
		g.release(pid, AccessExclusive)
	}
}

// end closes the sessions.
func (g *gates) end() {
	g.open()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.idle {
		ctx, cancel := context.WithTimeout(context.Background(), gateTime)
		_ = conn.Close(ctx)
		cancel()
	}
	g.idle = nil
}
