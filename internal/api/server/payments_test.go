package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg"
)

// bank is a payment provider that a test instructs.
type bank struct {
	mu    sync.Mutex
	fails map[string]error // by what is asked
	asked []string

	entered chan struct{} // where it is there, a capture says that it has begun
	leave   chan struct{} // and waits for this
	dies    bool          // then it panics
}

func (b *bank) answer(what string, c market.Charge, reference string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, fmt.Sprintf("%s %d %s %q", what, c.Amount, c.Currency, reference))
	return b.fails[what]
}

func (b *bank) fail(what string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = map[string]error{what: err}
	b.asked = nil
}

// Authorize implements market.Payments.
func (b *bank) Authorize(_ context.Context, c market.Charge) (string, error) {
	return "ref", b.answer("authorize", c, "")
}

// Capture implements market.Payments.
func (b *bank) Capture(_ context.Context, c market.Charge, reference string) error {
	if b.entered != nil {
		b.entered <- struct{}{}
		<-b.leave
	}
	if b.dies {
		panic("the bank is on fire")
	}
	return b.answer("capture", c, reference)
}

// Void implements market.Payments.
func (b *bank) Void(_ context.Context, c market.Charge, reference string) error {
	return b.answer("void", c, reference)
}

// repair does what the job does that takes up open payments, as if a minute had passed, on another server.
func (b *bank) repair(s *stall, want int) {
	s.t.Helper()
	b.fail("", nil)
	if _, err := s.Pool.Exec(s.t.Context(), "update payments set updated_at = updated_at - interval '2 minutes'"); err != nil {
		s.t.Fatal(err)
	}
	if n, err := market.New(s.Pool, market.Options{Payments: b}).SettleStale(s.t.Context()); n != want || err != nil {
		s.t.Errorf("%d payments settled, %v; want %d", n, err, want)
	}
}

func newBank(t *testing.T) (*bank, *stall) {
	b := &bank{}
	return b, newStall(t, func(o *server.Options) { o.Market.Payments = b })
}

func (s *stall) want(id client.OrderId, status client.OrderStatus, payment client.PaymentStatus) {
	s.t.Helper()
	o, err := s.buyer.GetOrder(s.t.Context(), client.GetOrderParams{ID: id})
	if err != nil || o.Data.Status != status || o.Data.Payment.Status != payment {
		s.t.Errorf("%+v, %v; want it %s and %s", o.Data, err, status, payment)
	}
}

var errNoAnswer = errors.New("no answer from the bank")

// An order that is not paid for is cancelled and its stock is back; asking again with its key says so again.
func TestDeclinedPayment(t *testing.T) {
	t.Parallel()
	b, s := newBank(t)
	b.fail("authorize", market.ErrDeclined)
	for range 2 {
		_, err := s.placeAs(s.buyer, "k", item(s.plums, 3))
		wantProblem(t, err, 409, "payment_declined")
	}
	if got := s.stock(s.plums); got != 10 {
		t.Errorf("%d plums", got)
	}
	mine, err := s.buyer.ListOrders(t.Context(), client.ListOrdersParams{})
	if err != nil || len(mine.Data) != 1 {
		t.Fatalf("%+v, %v", mine, err)
	}
	s.want(mine.Data[0].ID, "cancelled", "declined")
	b.fail("capture", market.ErrDeclined)
	id := s.mustPlace(item(s.plums, 3)).ID
	s.advance(id, "confirm", "ready")
	_, err = s.move(s.seller, id, "complete")
	wantProblem(t, err, 409, "payment_declined")
	s.want(id, "ready", "due")
	b.fail("", nil)
	s.advance(id, "complete")
	s.want(id, "completed", "paid")
	if want := []string{`capture 750 EUR "ref"`}; !slices.Equal(b.asked, want) {
		t.Errorf("the bank was asked %v, want %v", b.asked, want)
	}
}

// What a provider does not answer stays open, whether it is down or this server died in between, and a job takes it up.
func TestOpenPaymentsAreTakenUp(t *testing.T) {
	t.Parallel()
	b, s := newBank(t)
	b.fail("authorize", errNoAnswer)
	id := s.mustPlace(item(s.plums, 3)).ID
	s.want(id, "placed", "pending")
	_, err := s.move(s.seller, id, "confirm")
	wantProblem(t, err, 409, "payment_pending")
	if got := told(t, s.seller); got != "" {
		t.Errorf("the farm is told %q of an order that may not be paid", got)
	}
	b.repair(s, 1)
	s.want(id, "placed", "due")
	if got := told(t, s.seller); got != "placed" {
		t.Errorf("the farm is told %q", got)
	}
	s.advance(id, "confirm", "ready")
	b.fail("capture", errNoAnswer)
	_, err = s.move(s.seller, id, "complete")
	wantProblem(t, err, 503, "payment_pending")
	s.want(id, "ready", "due")
	b.repair(s, 1)
	s.want(id, "completed", "paid")
	b.fail("void", errNoAnswer)
	other := s.mustPlace(item(s.eggs, 3)).ID
	s.advance(other, "cancel")
	s.want(other, "cancelled", "void")
	b.repair(s, 1)
	if !slices.Equal(b.asked, []string{`void 1200 EUR "ref"`}) {
		t.Errorf("the bank was asked %v", b.asked)
	}
	b.repair(s, 0)
	// Cancelled while nobody knows whether it will be paid: the promise is let go of, and the late answer changes nothing.
	b.fail("authorize", errNoAnswer)
	late := s.mustPlace(item(s.eggs, 3)).ID
	s.advance(late, "cancel")
	s.want(late, "cancelled", "void")
	b.repair(s, 0)
	s.wantEvents("order_placed order_confirmed order_ready order_completed order_placed order_cancelled order_cancelled")
	if s.stock(s.plums) != 7 || s.stock(s.eggs) != 10 {
		t.Errorf("%d plums and %d eggs", s.stock(s.plums), s.stock(s.eggs))
	}
}

// On a server that works jobs, what was left open is taken up and what was kept for a day is forgotten, without being asked.
func TestPeriodicJobs(t *testing.T) {
	t.Parallel()
	b, s := newBank(t)
	b.fail("authorize", errNoAnswer)
	id := s.mustPlace(item(s.plums, 3)).ID
	postKeyed(t, s.Env, s.buys.AccessToken, "k", posts, `{"body":"plums"}`)
	b.fail("", nil)
	for _, sql := range []string{"update payments set updated_at = updated_at - interval '2 minutes'", "update idempotency_keys set created_at = now() - interval '25 hours'"} {
		if _, err := s.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	apitest.On(t, s.Pool.Config().ConnString(), func(o *server.Options) {
		o.Market.Payments = b
		pool, err := pg.Open(t.Context(), o.Pool.Config().ConnString(), pg.Options{MaxConns: 4, StatementTimeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		o.JobsPool = pool
	})
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		o, err := s.buyer.GetOrder(t.Context(), client.GetOrderParams{ID: id})
		if err == nil && o.Data.Payment.Status == "due" && rows(t, s.Env, "idempotency_keys") == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%+v, %v, %d keys", o, err, rows(t, s.Env, "idempotency_keys"))
		}
	}
}
