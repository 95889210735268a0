package httpapi

import (
	"context"
	"net/http"

	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/base/fault"
)

// marketAPI is the operations of the tag "market".
type marketAPI struct {
	service *market.Service
	ids     *publicid.Codec
}

// ListProducts implements operation listProducts.
func (a marketAPI) ListProducts(ctx context.Context, params oas.ListProductsParams, w http.ResponseWriter) error {
	page, limit := params.Page.Or(1), params.Limit.Or(20)
	products, total, err := a.service.List(ctx, page, limit)
	if err != nil {
		return err
	}
	res := oas.ProductListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.Product, len(products)),
		Meta: oas.PageMeta{Page: page, Limit: limit, Total: total},
	}
	for i, p := range products {
		res.Data[i] = a.product(p)
	}
	return writeJSON(w, &res)
}

// GetProduct implements operation getProduct.
func (a marketAPI) GetProduct(ctx context.Context, params oas.GetProductParams) (*oas.ProductResponse, error) {
	id, err := a.ids.Decode(publicid.Product, string(params.ID))
	if err != nil {
		return nil, fault.New(fault.NotFound, "there is no such product")
	}
	p, err := a.service.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &oas.ProductResponse{Success: oas.SuccessTrue, Data: a.product(p)}, nil
}

func (a marketAPI) product(p market.Product) oas.Product {
	return oas.Product{
		ID: oas.ProductId(a.ids.Encode(publicid.Product, p.ID)), Name: p.Name, Description: p.Description, Category: p.Category,
		Price: p.Price, Currency: p.Currency, Unit: p.Unit, Available: p.Available,
		Farm:      oas.Farm{ID: oas.FarmId(a.ids.Encode(publicid.Farm, p.Farm.ID)), Name: p.Farm.Name},
		CreatedAt: p.CreatedAt.UTC(),
	}
}
