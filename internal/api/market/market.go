// Package market is where farms sell: farms and their members, the catalogue, carts and orders. One file a concept.
//
// Invariants: reading the catalogue needs no account, and nobody is hidden in it: commerce is public. Stock never goes below
// nothing and never moves but by one guarded statement, so it can't be oversold; an order's stock, lines, key and first event
// are one transaction, and so is each later step with its event, its notifications and the stock that a cancellation gives
// back. No lock is held while a payment provider is asked.
package market

import (
	"log/slog"
	"time"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// DB is a pool, a connection or a transaction.
type DB interface {
	db.DBTX
	pg.Beginner
}

// Options shapes a Service. The zero value is what production runs on.
type Options struct {
	Payments Payments     // nil: PayAtPickup
	Log      *slog.Logger // nil: none
	// TotalAge is how long the number of products that match a filter is answered again: 0 is 30 s, less than 0 never.
	TotalAge time.Duration
}

// Service is the rules of the market.
type Service struct {
	db       DB
	q        *db.Queries
	totals   *totals
	payments Payments
	log      *slog.Logger
	Metrics  *Metrics
}

// New returns a Service.
func New(d DB, o Options) *Service {
	s := &Service{db: d, q: db.New(d), totals: newTotals(o.TotalAge, time.Now), payments: o.Payments, log: o.Log, Metrics: newMetrics()}
	if s.payments == nil {
		s.payments = PayAtPickup{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// The nouns of what may be absent.
const (
	aFarm    = "farm"
	aProduct = "product"
	aMember  = "member"
	anOrder  = "order"
)

func errGone() error {
	return fault.New(fault.Unauthenticated, "the account no longer exists").WithCode("account_gone")
}

func errNotAMember() error {
	return fault.New(fault.Forbidden, "you are not a member of the farm").WithCode("not_a_member")
}
