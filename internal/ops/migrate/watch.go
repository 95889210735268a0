package migrate

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Watcher stands beside a runner. It is called in the runner's goroutine around every attempt of every statement, and of the first
// batch of a backfill, with the runner's own session: inside a transaction it reads what nobody else can see. It leaves the session's
// settings and its transaction as they are; an error of Before is one of the statement.
type Watcher interface {
	Before(ctx context.Context, conn *pgx.Conn, at Point) error
	After(ctx context.Context, conn *pgx.Conn, at Point, err error) error
}

// Point is a statement of a file on its way.
type Point struct {
	Migration *Migration
	Down      bool
	Stepwise  bool // no transaction around the file
	Index     int  // of the statement, from 0
	Total     int
	Statement Statement
}

// watched runs a statement between the watcher's two looks.
func (r *runner) watched(ctx context.Context, p pass, i int, st Statement) error {
	return r.between(ctx, p, i, st, func() error { return r.exec(ctx, st.SQL) })
}

// between lets the watcher look before and after what runs a statement.
func (r *runner) between(ctx context.Context, p pass, i int, st Statement, run func() error) error {
	w := r.m.opts.Watch
	if w == nil {
		return run()
	}
	at := Point{Migration: p.mg, Down: p.down, Stepwise: p.script.Stepwise, Index: i, Total: p.total(), Statement: st}
	if err := w.Before(ctx, r.conn, at); err != nil {
		return err
	}
	err := run()
	if werr := w.After(context.WithoutCancel(ctx), r.conn, at, err); err == nil {
		err = werr
	}
	return err
}
