package ratelimit

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
)

// line is one connection beside the pool: a pool that is used up is when limits matter most. Whoever uses it waits for the one
// before, and one that failed is opened anew.
type line struct {
	connect func(ctx context.Context) (*pgx.Conn, error)
	turn    chan struct{} // holds one token while nobody uses the connection
	conn    *pgx.Conn
}

func newLine(connect func(ctx context.Context) (*pgx.Conn, error)) *line {
	l := &line{connect: connect, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// do runs f on the connection.
func (l *line) do(ctx context.Context, f func(ctx context.Context, q *db.Queries) error) (err error) {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	if l.conn == nil || l.conn.IsClosed() {
		if l.conn, err = l.connect(ctx); err != nil {
			l.conn = nil
			return err
		}
	}
	return f(ctx, db.New(l.conn)) // an ended context closes the connection; an error of the server doesn't
}

// close waits for its turn and closes the connection.
func (l *line) close() {
	<-l.turn
	defer func() { l.turn <- struct{}{} }()
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx)
	l.conn = nil
}
