package market

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/telemetry"
)

// OrderSummary is an order in a list. Buyer is nobody where the viewer may not see them or they are gone.
type OrderSummary struct {
	ID        int64
	Farm      FarmName
	Buyer     account.Person
	Status    Status
	Currency  string
	Total     int64
	Lines     int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// OrderLine is what was ordered of one product, as it was when it was ordered.
type OrderLine struct {
	Product  int64
	Name     string
	Unit     string
	Price    int64
	Quantity int64
}

// OrderEvent is one step of an order; From is empty for the first.
type OrderEvent struct {
	From   Status
	To     Status
	By     Side
	Reason string
	At     time.Time
}

// Order is an order as one of its two sides sees it.
type Order struct {
	OrderSummary
	Note          string
	PaymentMethod string
	Payment       PaymentState
	Items         []OrderLine
	Events        []OrderEvent
}

// PaymentState is a payment as people see it: an intent shows as what it comes from, or leads to.
type PaymentState string

// The states of a payment.
const (
	PaymentPending  PaymentState = "pending"
	PaymentDue      PaymentState = "due"
	PaymentPaid     PaymentState = "paid"
	PaymentVoid     PaymentState = "void"
	PaymentDeclined PaymentState = "declined"
)

func paymentState(status string) PaymentState {
	switch status {
	case authorizing:
		return PaymentPending
	case capturing:
		return PaymentDue
	case voiding:
		return PaymentVoid
	}
	return PaymentState(status)
}

// Order returns an order to its buyer and the members of its farm.
func (s *Service) Order(ctx context.Context, viewer, id int64) (Order, error) {
	r, err := s.orderFor(ctx, viewer, id)
	if err != nil {
		return Order{}, fault.Op("read order", err)
	}
	o := Order{
		OrderSummary: OrderSummary{
			ID: r.ID, Farm: FarmName{r.FarmID, r.FarmName}, Buyer: account.Person{ID: r.BuyerID, Handle: r.Handle, DisplayName: r.DisplayName},
			Status: Status(r.Status), Currency: r.Currency, Total: r.Total, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		},
		Note: r.Note, PaymentMethod: r.PaymentMethod, Payment: paymentState(r.PaymentStatus),
	}
	lines, err := s.q.OrderLines(ctx, id)
	if err != nil {
		return Order{}, fault.Op("read order", err)
	}
	for _, l := range lines {
		o.Items = append(o.Items, OrderLine{l.ProductID, l.Name, l.Unit, l.Price, l.Quantity})
	}
	o.Lines = int64(len(o.Items))
	events, err := s.q.OrderEvents(ctx, id)
	for _, e := range events {
		from := Status("")
		if e.FromStatus != nil {
			from = Status(*e.FromStatus)
		}
		o.Events = append(o.Events, OrderEvent{from, Status(e.ToStatus), Side(e.Side), e.Reason, e.CreatedAt})
	}
	return o, fault.Op("read order", err)
}

func (s *Service) orderFor(ctx context.Context, viewer, id int64) (db.OrderForViewerRow, error) {
	r, err := s.q.OrderForViewer(ctx, db.OrderForViewerParams{ViewerID: viewer, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return r, timeline.Absent(anOrder)
	}
	return r, err
}

// Orders returns what viewer has ordered, newest first.
func (s *Service) Orders(ctx context.Context, viewer int64, at timeline.Slice) (timeline.Page[OrderSummary], error) {
	rows, err := s.q.ListOrders(ctx, db.ListOrdersParams{ViewerID: viewer, BeforeID: at.Cursor, PageSize: at.Fetch()})
	return orderPage(rows, at), fault.Op("list orders", err)
}

// FarmOrders returns what a farm has been asked for, newest first, to its members. An empty status means all.
func (s *Service) FarmOrders(ctx context.Context, viewer, farm int64, status Status, at timeline.Slice) (timeline.Page[OrderSummary], error) {
	if _, err := s.memberOf(ctx, viewer, farm); err != nil {
		return timeline.Page[OrderSummary]{}, fault.Op("list orders of a farm", err)
	}
	if status != "" {
		rows, err := s.q.ListFarmOrdersByStatus(ctx, db.ListFarmOrdersByStatusParams{
			ViewerID: viewer, FarmID: farm, Status: string(status), BeforeID: at.Cursor, PageSize: at.Fetch(),
		})
		return orderPage(rows, at), fault.Op("list orders of a farm", err)
	}
	rows, err := s.q.ListFarmOrders(ctx, db.ListFarmOrdersParams{ViewerID: viewer, FarmID: farm, BeforeID: at.Cursor, PageSize: at.Fetch()})
	return orderPage(rows, at), fault.Op("list orders of a farm", err)
}

type orderRow interface {
	db.ListOrdersRow | db.ListFarmOrdersRow | db.ListFarmOrdersByStatusRow
}

func orderPage[R orderRow](rows []R, at timeline.Slice) timeline.Page[OrderSummary] {
	return timeline.PageOf(rows, at, func(row R) OrderSummary {
		r := db.ListOrdersRow(row)
		return OrderSummary{
			ID: r.ID, Farm: FarmName{r.FarmID, r.FarmName}, Buyer: account.Person{ID: r.BuyerID, Handle: r.Handle, DisplayName: r.DisplayName},
			Status: Status(r.Status), Currency: r.Currency, Total: r.Total, Lines: r.Lines, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		}
	}, func(o OrderSummary) int64 { return o.ID })
}

const maxReason = 200

// Move takes an order one step further, as whichever side of it viewer is; somebody who is both acts for the farm.
func (s *Service) Move(ctx context.Context, viewer, id int64, to Status, reason string) (Order, error) {
	reason, err := timeline.CleanText("reason", maxReason, true, reason)
	if err != nil {
		return Order{}, err
	}
	r, err := s.orderFor(ctx, viewer, id)
	if err != nil {
		return Order{}, fault.Op("move order", err)
	}
	as, from := mover{Buyer, viewer}, Status(r.Status)
	if r.Sells {
		as.side = Seller
	}
	if err := mayMove(from, to, as.side); err != nil {
		return Order{}, err
	}
	moved := false
	switch to {
	case Cancelled:
		moved, err = s.cancel(ctx, id, from, as, reason)
	case Completed:
		moved, err = true, s.complete(ctx, id, as)
	default:
		if r.PaymentStatus == authorizing {
			return Order{}, fault.New(fault.Conflict, "it is not known yet whether the order will be paid").WithCode("payment_pending")
		}
		moved, err = s.move(ctx, r, to, as)
	}
	if err != nil {
		return Order{}, fault.Op("move order", err)
	}
	o, err := s.Order(ctx, viewer, id)
	if err == nil && !moved { // somebody was faster
		return Order{}, illegal(o.Status, to)
	}
	return o, err
}

// move is a step that moves neither money nor stock.
func (s *Service) move(ctx context.Context, r db.OrderForViewerRow, to Status, as mover) (moved bool, err error) {
	moved, err = moveOrder(ctx, s.q, r.ID, Status(r.Status), to, as, "")
	if moved && err == nil {
		s.Metrics.reached(to, r.Currency, r.Total)
	}
	return moved, err
}

// complete writes the intent to be paid and lets settle do the rest. An intent that is there already is taken up.
func (s *Service) complete(ctx context.Context, id int64, as mover) error {
	if _, err := s.q.MovePayment(ctx, db.MovePaymentParams{OrderID: id, FromStatuses: []string{due}, ToStatus: capturing}); err != nil {
		return err
	}
	return s.settle(ctx, id, as)
}

// cancel gives the stock back with the step. That the payment could not be let go of yet is the job's to mend.
func (s *Service) cancel(ctx context.Context, id int64, from Status, as mover, reason string) (moved bool, err error) {
	moved, err = s.cancelTx(ctx, id, from, as, reason, []string{authorizing, due}, voiding)
	if !moved || err != nil {
		return false, err
	}
	if err := s.settle(ctx, id, as); err != nil {
		s.log.WarnContext(ctx, "the payment of a cancelled order stays open", "order", id, "error", err)
	}
	return true, nil
}

// cancelTx is the one transaction of a cancellation. It locks the order, its payment and its products, in that order, as
// everything does that locks more than one of them.
func (s *Service) cancelTx(ctx context.Context, id int64, from Status, as mover, reason string, payment []string, to string) (moved bool, err error) {
	err = pg.InTx(ctx, s.db, func(tx pgx.Tx) error {
		q := db.New(tx)
		if moved, err = moveOrder(ctx, q, id, from, Cancelled, as, reason); err != nil || !moved {
			return err
		}
		n, err := q.MovePayment(ctx, db.MovePaymentParams{OrderID: id, FromStatuses: payment, ToStatus: to})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.Internal, "an order that can be cancelled has a payment that can't")
		}
		return q.ReturnStock(ctx, id)
	})
	if moved && err == nil {
		s.Metrics.reached(Cancelled, "", 0)
	}
	return moved, err
}

func moveOrder(ctx context.Context, q *db.Queries, id int64, from, to Status, as mover, reason string) (moved bool, err error) {
	_, err = q.MoveOrder(ctx, db.MoveOrderParams{
		ID: id, FromStatus: string(from), ToStatus: string(to), ActorID: as.actor, Side: string(as.side), Reason: reason,
		TraceID: telemetry.TraceID(ctx),
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
