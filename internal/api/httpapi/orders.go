package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
)

// somebody is the name of whom the viewer may not see, or who is gone.
const somebody = "Somebody"

// ordersAPI is the operations of the tag "orders".
type ordersAPI struct {
	service *market.Service
	ids     *publicid.Codec
}

func (a ordersAPI) id(id oas.OrderId) int64 { return known(a.ids, publicid.Order, string(id)) }

// PlaceOrder implements operation placeOrder.
func (a ordersAPI) PlaceOrder(ctx context.Context, req *oas.PlaceOrderRequest, params oas.PlaceOrderParams) (*oas.OrderResponseHeaders, error) {
	p := market.PlaceOrder{Farm: known(a.ids, publicid.Farm, string(req.Farm)), Note: req.Note.Or(""), Key: params.IdempotencyKey}
	for i, item := range req.Items {
		product := known(a.ids, publicid.Product, string(item.Product))
		if product == 0 {
			product = -int64(i) - 1 // one that nobody sells, and not the same as the next of that sort
		}
		p.Items = append(p.Items, market.Item{Product: product, Quantity: item.Quantity})
	}
	o, replayed, err := a.service.Place(ctx, viewer(ctx), p)
	if err != nil {
		return nil, a.outOfStock(err, req.Items)
	}
	return &oas.OrderResponseHeaders{
		IdempotentReplayed: replayed, Response: oas.OrderResponse{Success: oas.SuccessTrue, Data: a.order(o)},
	}, nil
}

// outOfStock names what an order is short of by public ids. Of an id that hides nothing the client's own is sent back.
func (a ordersAPI) outOfStock(err error, items []oas.PlaceOrderItem) error {
	var short *market.ShortageError
	if !errors.As(err, &short) {
		return err
	}
	out := fault.New(fault.Conflict, "there is not enough of what you ordered; nothing was ordered").WithCode("out_of_stock")
	for _, s := range short.Products {
		f := fault.Field{Code: "short", Message: fmt.Sprintf("%d wanted, %d in stock", s.Wanted, s.Available)}
		if s.Gone {
			f.Code, f.Message = "gone", "the farm does not sell it"
		}
		if s.Product < 0 {
			f.Field = string(items[-s.Product-1].Product)
		} else {
			f.Field = a.ids.Encode(publicid.Product, s.Product)
		}
		out = out.WithFields(f)
	}
	return out
}

// GetOrder implements operation getOrder.
func (a ordersAPI) GetOrder(ctx context.Context, params oas.GetOrderParams) (*oas.OrderResponse, error) {
	return a.answer(a.service.Order(ctx, viewer(ctx), a.id(params.ID)))
}

// CancelOrder implements operation cancelOrder.
func (a ordersAPI) CancelOrder(ctx context.Context, req oas.OptCancelOrderRequest, params oas.CancelOrderParams) (*oas.OrderResponse, error) {
	return a.answer(a.service.Move(ctx, viewer(ctx), a.id(params.ID), market.Cancelled, req.Value.Reason.Or("")))
}

// ConfirmOrder implements operation confirmOrder.
func (a ordersAPI) ConfirmOrder(ctx context.Context, params oas.ConfirmOrderParams) (*oas.OrderResponse, error) {
	return a.answer(a.service.Move(ctx, viewer(ctx), a.id(params.ID), market.Confirmed, ""))
}

// ReadyOrder implements operation readyOrder.
func (a ordersAPI) ReadyOrder(ctx context.Context, params oas.ReadyOrderParams) (*oas.OrderResponse, error) {
	return a.answer(a.service.Move(ctx, viewer(ctx), a.id(params.ID), market.Ready, ""))
}

// CompleteOrder implements operation completeOrder.
func (a ordersAPI) CompleteOrder(ctx context.Context, params oas.CompleteOrderParams) (*oas.OrderResponse, error) {
	return a.answer(a.service.Move(ctx, viewer(ctx), a.id(params.ID), market.Completed, ""))
}

// ListOrders implements operation listOrders.
func (a ordersAPI) ListOrders(ctx context.Context, params oas.ListOrdersParams, w http.ResponseWriter) error {
	at, err := slice(a.ids, params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.Orders(ctx, viewer(ctx), at)
	if err != nil {
		return err
	}
	return writeJSON(w, a.list(at, page))
}

// ListFarmOrders implements operation listFarmOrders.
func (a ordersAPI) ListFarmOrders(ctx context.Context, params oas.ListFarmOrdersParams, w http.ResponseWriter) error {
	id, at, err := target(a.ids, publicid.Farm, string(params.ID), params.Cursor, params.Limit, timeline.Start)
	if err != nil {
		return err
	}
	page, err := a.service.FarmOrders(ctx, viewer(ctx), id, market.Status(params.Status.Or("")), at)
	if err != nil {
		return err
	}
	return writeJSON(w, a.list(at, page))
}

func (a ordersAPI) list(at timeline.Slice, page timeline.Page[market.OrderSummary]) *oas.OrderListResponse {
	res := &oas.OrderListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.OrderSummary, len(page.Items)), Meta: streamMeta(a.ids, at, page.Next),
	}
	for i, o := range page.Items {
		res.Data[i] = oas.OrderSummary{
			ID: oas.OrderId(a.ids.Encode(publicid.Order, o.ID)), Farm: farmName(a.ids, o.Farm), Buyer: party(a.ids, o.Buyer),
			Status: oas.OrderStatus(o.Status), Currency: oas.Currency(o.Currency), Total: o.Total, LineCount: o.Lines,
			CreatedAt: o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
		}
	}
	return res
}

func (a ordersAPI) answer(o market.Order, err error) (*oas.OrderResponse, error) {
	if err != nil {
		return nil, err
	}
	return &oas.OrderResponse{Success: oas.SuccessTrue, Data: a.order(o)}, nil
}

func (a ordersAPI) order(o market.Order) oas.Order {
	out := oas.Order{
		ID: oas.OrderId(a.ids.Encode(publicid.Order, o.ID)), Farm: farmName(a.ids, o.Farm), Buyer: party(a.ids, o.Buyer),
		Status: oas.OrderStatus(o.Status), Currency: oas.Currency(o.Currency), Total: o.Total, Note: o.Note,
		Payment: oas.Payment{Method: o.PaymentMethod, Status: oas.PaymentStatus(o.Payment)},
		Lines:   make([]oas.OrderLine, len(o.Items)), Events: make([]oas.OrderEvent, len(o.Events)),
		CreatedAt: o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
	}
	for i, l := range o.Items {
		out.Lines[i] = oas.OrderLine{
			Product: oas.ProductId(a.ids.Encode(publicid.Product, l.Product)), Name: l.Name, Unit: l.Unit, Price: l.Price, Quantity: l.Quantity,
		}
	}
	for i, e := range o.Events {
		out.Events[i] = oas.OrderEvent{To: oas.OrderStatus(e.To), By: oas.OrderEventBy(e.By), Reason: e.Reason, At: e.At.UTC()}
		out.Events[i].From.SetToNull()
		if e.From != "" {
			out.Events[i].From.SetTo(string(e.From))
		}
	}
	return out
}

// party names somebody where there is somebody to name.
func party(ids *publicid.Codec, p account.Person) oas.Party {
	out := oas.Party{DisplayName: somebody}
	out.ID.SetToNull()
	out.Handle.SetToNull()
	if p.ID != 0 {
		out.ID.SetTo(ids.Encode(publicid.User, p.ID))
		out.Handle.SetTo(p.Handle)
		out.DisplayName = p.DisplayName
	}
	return out
}
