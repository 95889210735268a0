// Package idempotency lets a client ask again without doing again: what a request with a key was answered is kept for a day.
//
// Invariants: a key is claimed in a committed row before its request is worked on, and no connection is held meanwhile, so of
// any number of requests with one key, on any number of servers, one runs. Only a success uses a key up; a refusal has
// changed nothing and lets the key go. When nobody knows whether a request was carried out, as after the death of its
// server, its key says so for the rest of the day and never runs again.
package idempotency

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

const (
	// Keep is how long an answer is kept.
	Keep = 24 * time.Hour
	// dead is how old a request under way is when its server is taken for dead. Budgets end every request long before.
	dead = 30 * time.Second
	// patience is how long a request waits for an earlier one with its key.
	patience = 2 * time.Second
	pollMin  = 20 * time.Millisecond
	pollMax  = 60 * time.Millisecond
	// writeTimeout is for writing down what came of a request, when the request's own time may be over.
	writeTimeout = 2 * time.Second
)

// Answer is what a request was answered.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
}

// Keys claims keys and keeps answers.
type Keys struct {
	q       *db.Queries
	Replays prometheus.Counter
}

// New returns Keys over a pool.
func New(d db.DBTX) *Keys {
	return &Keys{q: db.New(d), Replays: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "idempotency_replays_total", Help: "Requests answered with what an earlier one with the same key did.",
		ConstLabels: prometheus.Labels{"kind": "answer"},
	})}
}

// Claim is a key whose request is worked on. It ends with one of its methods.
type Claim struct {
	keys    *Keys
	account int64
	key     string
	at      time.Time
}

// ErrNoAccount says that the account of a key is gone: the operation itself has the answer to that.
var ErrNoAccount = errors.New("the account is gone")

// Begin claims an account's key for a request, told from others by its fingerprint. Where an earlier request has the key it
// returns that one's answer, after waiting for it if need be, or says why there is none: kind Mismatch for another
// request, Conflict with the code idempotency_in_progress or idempotency_unknown.
func (k *Keys) Begin(ctx context.Context, account int64, key string, fingerprint []byte) (*Claim, *Answer, error) {
	end := time.Now().Add(patience)
	for {
		at, err := k.q.ClaimKey(ctx, db.ClaimKeyParams{AccountID: account, Key: key, Fingerprint: fingerprint, KeepSeconds: Keep.Seconds()})
		if err == nil {
			return &Claim{k, account, key, at}, nil, nil
		}
		if pg.Is(err, pg.ForeignKeyViolation) {
			return nil, nil, ErrNoAccount
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return nil, nil, fault.Op("claim key", err)
		}
		row, err := k.q.ReadKey(ctx, db.ReadKeyParams{AccountID: account, Key: key, DeadSeconds: dead.Seconds()})
		if errors.Is(err, pgx.ErrNoRows) {
			continue // let go of since
		}
		if err != nil {
			return nil, nil, fault.Op("read key", err)
		}
		if done, answer, err := k.judge(row, fingerprint); done {
			return nil, answer, err
		}
		if time.Now().After(end) {
			return nil, nil, fault.New(fault.Conflict, "a request with this key is still under way").WithCode("idempotency_in_progress")
		}
		if err := pause(ctx, pollMin+rand.N(pollMax-pollMin)); err != nil {
			return nil, nil, err
		}
	}
}

// judge decides about a key that somebody has; done is false while its request is under way.
func (k *Keys) judge(row db.ReadKeyRow, fingerprint []byte) (done bool, a *Answer, err error) {
	switch {
	case !bytes.Equal(row.Fingerprint, fingerprint):
		return true, nil, fault.New(fault.Mismatch, "the key belongs to another request of yours").WithCode("idempotency_key_reused")
	case row.State == "done":
		k.Replays.Inc()
		return true, &Answer{int(*row.Status), *row.ContentType, row.Body}, nil
	case row.State == "unknown" || row.Dead:
		return true, nil, fault.New(fault.Conflict, "the request with this key was cut off, and nobody knows how far it came; look, "+
			"and use a new key if it was not carried out").WithCode("idempotency_unknown")
	}
	return false, nil, nil
}

// Keep keeps what the request was answered.
func (c *Claim) Keep(ctx context.Context, a Answer) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	_, err := c.keys.q.KeepAnswer(ctx, db.KeepAnswerParams{
		AccountID: c.account, Key: c.key, CreatedAt: c.at, Status: int32(a.Status), ContentType: a.ContentType, Body: append([]byte{}, a.Body...),
	})
	return fault.Op("keep answer", err)
}

// Release lets the key go: the request has changed nothing.
func (c *Claim) Release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return fault.Op("release key", c.keys.q.ReleaseKey(ctx, db.ReleaseKeyParams{AccountID: c.account, Key: c.key, CreatedAt: c.at}))
}

// Lose writes down that nobody knows what the request has changed.
func (c *Claim) Lose(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return fault.Op("lose answer", c.keys.q.LoseAnswer(ctx, db.LoseAnswerParams{AccountID: c.account, Key: c.key, CreatedAt: c.at}))
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
