package market

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// Charge is what is to be paid for an order, in the smallest unit of the currency.
type Charge struct {
	Order    int64
	Amount   int64
	Currency string
}

// ErrDeclined is how a Payments says no. Any other error means that it is not known yet.
var ErrDeclined = errors.New("the payment was declined")

// Payments is where the money comes from. It is called outside of every transaction and may be called again for the same
// order after a crash, so it tells orders apart by Charge.Order and does each thing once. Void also ends what was never
// authorized.
type Payments interface {
	// Authorize promises the amount and returns the provider's name for the promise.
	Authorize(ctx context.Context, c Charge) (reference string, err error)
	// Capture takes what was promised.
	Capture(ctx context.Context, c Charge, reference string) error
	// Void lets go of the promise.
	Void(ctx context.Context, c Charge, reference string) error
}

// Method names the Payments that a Service uses.
const Method = "pay_at_pickup"

// PayAtPickup is paid over the counter: due when the order is placed, paid when it is handed over.
type PayAtPickup struct{}

// Authorize implements Payments: whoever orders owes.
func (PayAtPickup) Authorize(context.Context, Charge) (string, error) { return "", nil }

// Capture implements Payments: the farm has the money in its hand.
func (PayAtPickup) Capture(context.Context, Charge, string) error { return nil }

// Void implements Payments: nothing was paid.
func (PayAtPickup) Void(context.Context, Charge, string) error { return nil }

// The states of a payment, as the schema has them. Three are intents, written before the provider is asked.
const (
	authorizing = "authorizing"
	due         = "due"
	capturing   = "capturing"
	paid        = "paid"
	voiding     = "voiding"
	void        = "void"
	declined    = "declined"
)

const (
	settleTimeout = 5 * time.Second
	settleTries   = 4 // each turn more means that somebody else has just changed the intent
	staleAfter    = time.Minute
	staleBatch    = 100
)

// mover is who is written down for a step.
type mover struct {
	side  Side
	actor int64 // 0 for the system
}

// settle carries an order's intent out and writes down what came of it, if the order has one. What it asks of the provider
// may be asked again, so any number may settle one order at once. A client that leaves does not interrupt it.
func (s *Service) settle(ctx context.Context, order int64, as mover) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	for range settleTries {
		p, err := s.q.PaymentOf(ctx, order)
		if err != nil {
			return err
		}
		c := Charge{Order: order, Amount: p.Amount, Currency: p.Currency}
		done := true
		switch p.Status {
		case authorizing:
			done, err = s.authorize(ctx, c)
		case capturing:
			done, err = s.capture(ctx, c, p.Reference, as)
		case voiding:
			done, err = s.void(ctx, c, p.Reference)
		}
		if done || err != nil {
			return err
		}
	}
	return errPending(errors.New("the intent keeps changing"))
}

func errPending(err error) error {
	return fault.Wrap(err, fault.Unavailable, "the payment is not known yet; it will be settled").WithCode("payment_pending")
}

func errDeclined() error {
	return fault.New(fault.Conflict, "the payment was declined").WithCode("payment_declined")
}

// authorize makes a placed order one that will be paid and tells the farm, or cancels it.
func (s *Service) authorize(ctx context.Context, c Charge) (done bool, err error) {
	reference, err := s.payments.Authorize(ctx, c)
	if errors.Is(err, ErrDeclined) {
		done, err = s.cancelTx(ctx, c.Order, Placed, mover{side: System}, "the payment was declined", []string{authorizing}, declined)
		if done && err == nil {
			err = errDeclined()
		}
		return done, err
	}
	if err != nil {
		return false, errPending(err)
	}
	err = pg.InTx(ctx, s.db, func(tx pgx.Tx) error {
		q := db.New(tx)
		n, err := q.MovePayment(ctx, db.MovePaymentParams{OrderID: c.Order, FromStatuses: []string{authorizing}, ToStatus: due, Reference: &reference})
		if done = n == 1; err != nil || !done {
			return err
		}
		return q.AnnounceOrder(ctx, db.AnnounceOrderParams{ID: c.Order, TraceID: telemetry.TraceID(ctx)})
	})
	if done && err == nil {
		s.Metrics.reached(Placed, c.Currency, c.Amount)
	}
	return done, err
}

// capture completes an order that is paid. One that is declined stays ready, and due.
func (s *Service) capture(ctx context.Context, c Charge, reference string, as mover) (done bool, err error) {
	err = s.payments.Capture(ctx, c, reference)
	if errors.Is(err, ErrDeclined) {
		n, err := s.q.MovePayment(ctx, db.MovePaymentParams{OrderID: c.Order, FromStatuses: []string{capturing}, ToStatus: due})
		if n == 1 && err == nil {
			err = errDeclined()
		}
		return n == 1, err
	}
	if err != nil {
		return false, errPending(err)
	}
	err = pg.InTx(ctx, s.db, func(tx pgx.Tx) error {
		q := db.New(tx)
		done, err = moveOrder(ctx, q, c.Order, Ready, Completed, as, "")
		if err != nil || !done {
			return err
		}
		n, err := q.MovePayment(ctx, db.MovePaymentParams{OrderID: c.Order, FromStatuses: []string{capturing}, ToStatus: paid})
		if err == nil && n == 0 {
			return errors.New("an order became ready while its payment was another's")
		}
		return err
	})
	if done && err == nil {
		s.Metrics.reached(Completed, c.Currency, c.Amount)
	}
	return done, err
}

func (s *Service) void(ctx context.Context, c Charge, reference string) (done bool, err error) {
	if err := s.payments.Void(ctx, c, reference); err != nil {
		return false, errPending(err)
	}
	n, err := s.q.MovePayment(ctx, db.MovePaymentParams{OrderID: c.Order, FromStatuses: []string{voiding}, ToStatus: void})
	return n == 1, err
}

// SettleStale takes up intents that nobody has resolved for a minute, as after a crash between the two transactions of an
// order, and returns how many it resolved. One that can't be resolved now waits for the next time.
func (s *Service) SettleStale(ctx context.Context) (int, error) {
	return s.settleOlder(ctx, staleAfter)
}

func (s *Service) settleOlder(ctx context.Context, age time.Duration) (settled int, err error) {
	orders, err := s.q.StalePayments(ctx, db.StalePaymentsParams{OlderSeconds: age.Seconds(), Batch: staleBatch})
	if err != nil {
		return 0, fault.Op("settle payments", err)
	}
	for _, id := range orders {
		if err := s.settle(ctx, id, mover{side: System}); err != nil && fault.From(err).Code != errDeclined().(*fault.Error).Code {
			s.log.WarnContext(ctx, "a payment stays open", "order", id, "error", err)
			continue
		}
		settled++
		s.Metrics.repaired.Inc()
	}
	return settled, ctx.Err()
}
