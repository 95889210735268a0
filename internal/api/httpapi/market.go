package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/platctl/platctl/internal/api/cache"
	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/openapi/oas"
	"github.com/platctl/platctl/internal/api/publicid"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
)

// marketAPI is the operations of the tag "market".
type marketAPI struct {
	service  *market.Service
	ids      *publicid.Codec
	pictures shelf
}

func (a marketAPI) id(id oas.ProductId) int64 { return known(a.ids, publicid.Product, string(id)) }

// ListProducts implements operation listProducts.
func (a marketAPI) ListProducts(ctx context.Context, params oas.ListProductsParams, w http.ResponseWriter) error {
	at, err := a.place(params)
	if err != nil {
		return err
	}
	f := a.filter(params)
	cache.Note(ctx, market.ListTags(f)...)
	l, err := a.service.List(ctx, f, at)
	if err != nil {
		return err
	}
	for _, p := range l.Products {
		cache.Note(ctx, p.Tags()...)
	}
	res := oas.ProductListResponse{
		Success: oas.SuccessTrue, Data: make([]oas.Product, len(l.Products)), Meta: oas.PageMeta{Page: at.Page, Limit: at.Limit, Total: l.Total},
	}
	res.Meta.NextCursor.SetToNull()
	if l.Next != 0 {
		next := a.ids.Encode(publicid.Cursor, l.Next)
		res.Meta.NextCursor.SetTo(next)
		w.Header().Set("Link", "<"+nextPage(params, at.Limit, next)+`>; rel="next"`)
	}
	for i, p := range l.Products {
		res.Data[i] = a.product(p)
	}
	return writeJSON(w, &res)
}

// place reads where a page begins. A page and a cursor are two answers to that.
func (a marketAPI) place(params oas.ListProductsParams) (market.Place, error) {
	at, err := slice(a.ids, params.Cursor, params.Limit, 0)
	if err != nil {
		return market.Place{}, err
	}
	p := market.Place{Page: params.Page.Or(1), Limit: at.Limit, Cursor: at.Cursor}
	if p.Cursor == 0 {
		return p, nil
	}
	if p.Page > 1 {
		return p, fault.New(fault.Invalid, "page and cursor can't be combined").WithCode("page_and_cursor").
			WithFields(fault.Field{Field: "query.page", Code: "page_and_cursor", Message: "leave it out with a cursor"})
	}
	p.Page = 0
	return p, nil
}

func (a marketAPI) filter(params oas.ListProductsParams) market.Filter {
	f := market.Filter{
		Category: string(params.Category.Or("")), MinPrice: params.MinPrice.Or(0), InStock: params.InStock.Or(false),
	}
	if q, ok := params.Q.Get(); ok {
		f.Search, f.Words = true, timeline.Words(q)
	}
	if id, ok := params.Farm.Get(); ok {
		if f.Farm = known(a.ids, publicid.Farm, string(id)); f.Farm == 0 {
			f.Farm = -1 // asks for a farm that nobody has, not for none
		}
	}
	if v, ok := params.MaxPrice.Get(); ok {
		f.MaxPrice = &v
	}
	return f
}

// nextPage is the address of what follows a page, with the filter that was asked for.
func nextPage(params oas.ListProductsParams, limit int32, cursor string) string {
	q := url.Values{"cursor": {cursor}, "limit": {strconv.Itoa(int(limit))}}
	set := func(name, value string, asked bool) {
		if asked {
			q.Set(name, value)
		}
	}
	set("q", params.Q.Value, params.Q.Set)
	set("category", string(params.Category.Value), params.Category.Set)
	set("farm", string(params.Farm.Value), params.Farm.Set)
	set("minPrice", strconv.FormatInt(params.MinPrice.Value, 10), params.MinPrice.Set)
	set("maxPrice", strconv.FormatInt(params.MaxPrice.Value, 10), params.MaxPrice.Set)
	set("inStock", strconv.FormatBool(params.InStock.Value), params.InStock.Value)
	return "/api/v1/products?" + q.Encode()
}

// GetProduct implements operation getProduct.
func (a marketAPI) GetProduct(ctx context.Context, params oas.GetProductParams) (*oas.ProductResponse, error) {
	id := a.id(params.ID)
	if id != 0 {
		cache.Note(ctx, market.ProductTag(id))
	}
	p, err := a.service.Get(ctx, id)
	if err == nil {
		cache.Note(ctx, p.Tags()...)
	}
	return a.answer(p, err)
}

// CreateProduct implements operation createProduct.
func (a marketAPI) CreateProduct(ctx context.Context, req *oas.CreateProductRequest, params oas.CreateProductParams) (*oas.ProductResponse, error) {
	return a.answer(a.service.CreateProduct(ctx, viewer(ctx), known(a.ids, publicid.Farm, string(params.ID)), market.NewProduct{
		Name: req.Name, Description: req.Description.Or(""), Category: string(req.Category), Price: req.Price, Unit: req.Unit,
		Available: req.Available.Or(0),
	}))
}

// UpdateProduct implements operation updateProduct.
func (a marketAPI) UpdateProduct(ctx context.Context, req *oas.UpdateProductRequest, params oas.UpdateProductParams) (*oas.ProductResponse, error) {
	return a.answer(a.service.UpdateProduct(ctx, viewer(ctx), a.id(params.ID), market.ProductChange{
		Name: present(req.Name.Get()), Description: present(req.Description.Get()), Price: present(req.Price.Get()),
		Unit: present(req.Unit.Get()), Category: (*string)(present(req.Category.Get())),
	}))
}

// ArchiveProduct implements operation archiveProduct.
func (a marketAPI) ArchiveProduct(ctx context.Context, params oas.ArchiveProductParams) error {
	return a.service.ArchiveProduct(ctx, viewer(ctx), a.id(params.ID))
}

// SetStock implements operation setStock.
func (a marketAPI) SetStock(ctx context.Context, req *oas.SetStockRequest, params oas.SetStockParams) (*oas.ProductResponse, error) {
	return a.answer(a.service.SetStock(ctx, viewer(ctx), a.id(params.ID), req.Available, req.Expected))
}

// SetProductPictures implements operation setProductPictures.
func (a marketAPI) SetProductPictures(ctx context.Context, req *oas.SetProductPicturesRequest, params oas.SetProductPicturesParams) (*oas.ProductResponse, error) {
	return a.answer(a.service.SetPictures(ctx, viewer(ctx), a.id(params.ID), a.pictures.idsOf(req.Media)))
}

// AdjustStock implements operation adjustStock.
func (a marketAPI) AdjustStock(ctx context.Context, req *oas.AdjustStockRequest, params oas.AdjustStockParams) (*oas.ProductResponse, error) {
	return a.answer(a.service.AdjustStock(ctx, viewer(ctx), a.id(params.ID), req.Change))
}

func (a marketAPI) answer(p market.Product, err error) (*oas.ProductResponse, error) {
	if err != nil {
		return nil, err
	}
	return &oas.ProductResponse{Success: oas.SuccessTrue, Data: a.product(p)}, nil
}

func (a marketAPI) product(p market.Product) oas.Product {
	return oas.Product{
		ID: oas.ProductId(a.ids.Encode(publicid.Product, p.ID)), Name: p.Name, Description: p.Description, Category: p.Category,
		Price: p.Price, Currency: p.Currency, Unit: p.Unit, Available: p.Available, Farm: farmName(a.ids, p.Farm),
		CreatedAt: p.CreatedAt.UTC(), Pictures: a.pictures.list(p.Pictures),
	}
}

func farmName(ids *publicid.Codec, f market.FarmName) oas.Farm {
	return oas.Farm{ID: oas.FarmId(ids.Encode(publicid.Farm, f.ID)), Name: f.Name}
}

// present turns an optional value into a pointer, nil where it is absent.
func present[T any](v T, ok bool) *T {
	if !ok {
		return nil
	}
	return &v
}
