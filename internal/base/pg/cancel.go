package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// canceller cancels the statement on the server when its context ends. pgx's own handler asks once, and the server ignores
// a request that overtakes the statement (seen once in five runs of a loaded test); this one asks until the statement has
// ended. After patience the socket is given up.
type canceller struct {
	conn *pgconn.PgConn
	stop context.CancelFunc
	done chan struct{}
}

const (
	cancelPatience = 5 * time.Second
	cancelEvery    = 50 * time.Millisecond
)

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(context.Context) {
	_ = c.conn.Conn().SetDeadline(time.Now().Add(cancelPatience))
	ctx, stop := context.WithTimeout(context.Background(), cancelPatience)
	c.stop, c.done = stop, make(chan struct{})
	go func() {
		defer close(c.done)
		for {
			_ = c.conn.CancelRequest(ctx) // the deadline of the socket is the fallback
			select {
			case <-ctx.Done():
				return
			case <-time.After(cancelEvery):
			}
		}
	}()
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler. It waits, so that no request is under way when the next statement
// begins.
func (c *canceller) HandleUnwatchAfterCancel() {
	c.stop()
	<-c.done
	_ = c.conn.Conn().SetDeadline(time.Time{})
}
