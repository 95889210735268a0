package market

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// maxCart is how many products a cart holds. Two requests at once may exceed it by one.
const maxCart = 200

// ItemState is whether an item of a cart can be ordered.
type ItemState string

// The states of an item.
const (
	ItemOK    ItemState = "ok"
	ItemShort ItemState = "short" // there is less than is wanted
	ItemGone  ItemState = "gone"  // it is no longer sold
)

// CartItem is a product in a cart.
type CartItem struct {
	Product   int64
	Name      string
	Unit      string
	Price     int64
	Quantity  int64
	Available int64
	State     ItemState
}

func (i CartItem) judged(archived bool) CartItem {
	switch {
	case archived:
		i.State = ItemGone
	case i.Available < i.Quantity:
		i.State = ItemShort
	default:
		i.State = ItemOK
	}
	return i
}

// CartFarm is what a cart has of one farm. Total counts what can be ordered.
type CartFarm struct {
	Farm     FarmName
	Currency string
	Total    int64
	Items    []CartItem
}

// Cart returns viewer's cart.
func (s *Service) Cart(ctx context.Context, viewer int64) ([]CartFarm, error) {
	rows, err := s.q.ListCart(ctx, viewer)
	var out []CartFarm
	for _, r := range rows {
		if len(out) == 0 || out[len(out)-1].Farm.ID != r.FarmID {
			out = append(out, CartFarm{Farm: FarmName{r.FarmID, r.FarmName}, Currency: r.Currency})
		}
		f := &out[len(out)-1]
		item := CartItem{Product: r.ID, Name: r.Name, Unit: r.Unit, Price: r.Price, Quantity: r.Quantity, Available: r.Available}.judged(r.Archived)
		if item.State == ItemOK {
			f.Total += item.Price * item.Quantity
		}
		f.Items = append(f.Items, item)
	}
	return out, fault.Op("read cart", err)
}

// SetCartItem makes viewer's cart have that much of a product.
func (s *Service) SetCartItem(ctx context.Context, viewer, product, quantity int64) (CartItem, error) {
	r, err := s.q.SetCartItem(ctx, db.SetCartItemParams{ViewerID: viewer, ProductID: product, Quantity: quantity, AtMost: maxCart})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return CartItem{}, timeline.Absent(aProduct)
	case pg.Is(err, pg.ForeignKeyViolation):
		return CartItem{}, errGone()
	case err != nil:
		return CartItem{}, fault.Op("set cart item", err)
	case !r.Stored:
		return CartItem{}, fault.New(fault.Conflict, "a cart holds %d products", maxCart).WithCode("cart_full")
	}
	return CartItem{Product: r.ID, Name: r.Name, Unit: r.Unit, Price: r.Price, Quantity: quantity, Available: r.Available}.judged(false), nil
}

// RemoveCartItem takes a product out of viewer's cart, if it is there.
func (s *Service) RemoveCartItem(ctx context.Context, viewer, product int64) error {
	return fault.Op("remove cart item", s.q.RemoveCartItem(ctx, db.RemoveCartItemParams{ViewerID: viewer, ProductID: product}))
}

// ClearCart empties viewer's cart.
func (s *Service) ClearCart(ctx context.Context, viewer int64) error {
	return fault.Op("clear cart", s.q.ClearCart(ctx, viewer))
}
