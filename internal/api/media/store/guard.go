package store

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/platctl/platctl/internal/base/breaker"
	"github.com/platctl/platctl/internal/base/fault"
)

// Guarded is a Store that is left alone while it fails.
type Guarded struct {
	Breaker *breaker.Breaker
	next    Store
}

// Guard puts a breaker before next. An object that is not there says nothing about the store.
func Guard(next Store, log *slog.Logger) *Guarded {
	return &Guarded{next: next, Breaker: breaker.New("storage", breaker.Pause(5*time.Second), breaker.Log(log))}
}

func (g *Guarded) do(ctx context.Context, call func(ctx context.Context) error) error {
	err := g.Breaker.Do(ctx, call)
	if err != nil && fault.From(err).Code == "circuit_open" {
		return unreachable(err)
	}
	return err
}

// Put implements Store.
func (g *Guarded) Put(ctx context.Context, key string, src io.ReaderAt, size int64) error {
	return g.do(ctx, func(ctx context.Context) error { return g.next.Put(ctx, key, src, size) })
}

// Fetch implements Store.
func (g *Guarded) Fetch(ctx context.Context, key string, dst io.Writer) error {
	return g.do(ctx, func(ctx context.Context) error { return g.next.Fetch(ctx, key, dst) })
}

// Delete implements Store.
func (g *Guarded) Delete(ctx context.Context, key string) error {
	return g.do(ctx, func(ctx context.Context) error { return g.next.Delete(ctx, key) })
}

// List implements Store. It stands outside the breaker: it takes as long as there are objects, and each decides about errors.
func (g *Guarded) List(ctx context.Context, area string, each func(Object) error) error {
	if err := g.Breaker.Check(); err != nil {
		return unreachable(err)
	}
	return g.next.List(ctx, area, each)
}
