package mail

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/platctl/platctl/internal/base/breaker"
)

// Guarded is a Sender that leaves a failing mail server alone.
type Guarded struct {
	Breaker *breaker.Breaker
	next    Sender
}

// Guard puts a breaker before next. What a server says about one recipient or one message says nothing about the server.
func Guard(next Sender, log *slog.Logger) *Guarded {
	about := func(err error) bool { return errors.Is(err, ErrRejected) || errors.Is(err, ErrDeferred) }
	return &Guarded{next: next, Breaker: breaker.New("mail", breaker.Pause(30*time.Second), breaker.Excluding(about), breaker.Log(log))}
}

// Send implements Sender.
func (g *Guarded) Send(ctx context.Context, m Message) (id string, err error) {
	err = g.Breaker.Do(ctx, func(ctx context.Context) error {
		id, err = g.next.Send(ctx, m)
		return err
	})
	return id, err
}
