package httpapi

import (
	"context"

	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
)

// cartAPI is the operations of the tag "cart".
type cartAPI struct {
	service *market.Service
	ids     *publicid.Codec
}

// GetCart implements operation getCart.
func (a cartAPI) GetCart(ctx context.Context) (*oas.CartResponse, error) {
	farms, err := a.service.Cart(ctx, viewer(ctx))
	if err != nil {
		return nil, err
	}
	res := &oas.CartResponse{Success: oas.SuccessTrue, Data: oas.Cart{Farms: make([]oas.CartFarm, len(farms))}}
	for i, f := range farms {
		out := oas.CartFarm{Farm: farmName(a.ids, f.Farm), Currency: oas.Currency(f.Currency), Total: f.Total, Items: make([]oas.CartItem, len(f.Items))}
		for j, item := range f.Items {
			out.Items[j] = a.item(item)
		}
		res.Data.Farms[i] = out
	}
	return res, nil
}

// SetCartItem implements operation setCartItem.
func (a cartAPI) SetCartItem(ctx context.Context, req *oas.SetCartItemRequest, params oas.SetCartItemParams) (*oas.CartItemResponse, error) {
	item, err := a.service.SetCartItem(ctx, viewer(ctx), known(a.ids, publicid.Product, string(params.ID)), req.Quantity)
	if err != nil {
		return nil, err
	}
	return &oas.CartItemResponse{Success: oas.SuccessTrue, Data: a.item(item)}, nil
}

// RemoveCartItem implements operation removeCartItem.
func (a cartAPI) RemoveCartItem(ctx context.Context, params oas.RemoveCartItemParams) error {
	return a.service.RemoveCartItem(ctx, viewer(ctx), known(a.ids, publicid.Product, string(params.ID)))
}

// ClearCart implements operation clearCart.
func (a cartAPI) ClearCart(ctx context.Context) error { return a.service.ClearCart(ctx, viewer(ctx)) }

func (a cartAPI) item(i market.CartItem) oas.CartItem {
	return oas.CartItem{
		Product: oas.ProductId(a.ids.Encode(publicid.Product, i.Product)), Name: i.Name, Unit: i.Unit, Price: i.Price,
		Quantity: i.Quantity, Available: i.Available, State: oas.CartItemState(i.State),
	}
}
