package pg

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// canceller cancels the statement on the server when its context ends. pgx's own handler asks once, and the server ignores
// a request that overtakes the statement (seen once in five runs of a loaded test); this one asks until the statement has
// ended. After patience the socket is given up.
type canceller struct {
	conn     *pgconn.PgConn
	patience time.Duration
	ended    chan struct{} // the statement has
	asked    chan error    // the result of the last request
}

const (
	toolPatience    = 5 * time.Second
	requestPatience = time.Second // somebody waits for the answer
	cancelEvery     = 50 * time.Millisecond
)

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(context.Context) {
	_ = c.conn.Conn().SetDeadline(time.Now().Add(c.patience))
	c.ended, c.asked = make(chan struct{}), make(chan error, 1)
	go func() { c.asked <- c.ask() }()
}

// ask asks until the statement has ended. A request that was begun is seen through: given up half-way, it would reach the
// server later and cancel the next statement of the session (seen once in 400 under load).
func (c *canceller) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	for {
		err := c.conn.CancelRequest(ctx) // returns when the server has sent the signal, or when ctx has ended
		select {
		case <-c.ended:
			return errors.Join(err, ctx.Err())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(cancelEvery):
		}
	}
}

// doubtful marks a connection whose next statement may be hit by a request for this one.
const doubtful = "platctl.doubtful"

// HandleUnwatchAfterCancel implements ctxwatch.Handler. It waits, so that no request is under way when the next statement
// begins.
func (c *canceller) HandleUnwatchAfterCancel() {
	close(c.ended)
	if err := <-c.asked; err != nil {
		c.conn.CustomData()[doubtful] = true
	}
	_ = c.conn.Conn().SetDeadline(time.Time{})
}

// trusted is a pgxpool.Config.PrepareConn hook: a connection in doubt is replaced.
func trusted(_ context.Context, conn *pgx.Conn) (bool, error) {
	return conn.PgConn().CustomData()[doubtful] == nil, nil
}
