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

// gates are transactions that stay open, two for each table: one that has written to it, as those of an application do, and one as
// a VACUUM is. A statement outside a transaction that can't run beside them waits, and while it waits it shows its locks; a gate
// opens as soon as that was seen. So CREATE INDEX CONCURRENTLY, which would be over in a few milliseconds, is always seen.
type gates struct {
	url string

	mu   sync.Mutex
	idle []*pgx.Conn
	shut map[int32]*pgx.Conn // by process id
}

const gateTime = 5 * time.Second

// close shuts the gates of each table that the statement names, by itself or by an index.
func (g *gates) close(ctx context.Context, w world, sql string) error {
	for _, r := range named(w, sql) {
		locks := []string{"lock table only " + r.sql + " in row exclusive mode nowait", "lock table only " + r.sql + " in share update exclusive mode nowait"}
		if r.kind == "m" { // can't be locked by hand; who reads it holds up a REFRESH
			locks = []string{"select from " + r.sql + " limit 0"}
		}
		for _, lock := range locks {
			if err := g.shutOne(ctx, lock); err != nil {
				return err
			}
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
	if _, err := conn.Exec(ctx, "begin"); err != nil {
		return err
	}
	_, refused := conn.Exec(ctx, lock)
	if refused != nil {
		_, err = conn.Exec(ctx, "rollback")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if refused != nil {
		g.idle = append(g.idle, conn)
		return err
	}
	g.shut[int32(conn.PgConn().PID())] = conn
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

// release opens the gate of a session, if it is one.
func (g *gates) release(pid int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	conn := g.shut[pid]
	if conn == nil {
		return
	}
	delete(g.shut, pid)
	ctx, cancel := context.WithTimeout(context.Background(), gateTime)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Close(ctx) // which rolls back too
		return
	}
	g.idle = append(g.idle, conn)
}

// open opens all of them.
func (g *gates) open() {
	for _, pid := range g.pids() {
		g.release(pid)
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
