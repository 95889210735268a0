package market

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
)

// FarmName is a farm as its products and orders show it.
type FarmName struct {
	ID   int64
	Name string
}

// Product is something a farm sells. Price is in the smallest unit of Currency.
type Product struct {
	ID          int64
	Name        string
	Description string
	Category    string
	Price       int64
	Currency    string
	Unit        string
	Available   int64
	Farm        FarmName
	CreatedAt   time.Time
	Pictures    []media.Picture // those that are ready
}

// MaxDepth caps page times limit: an offset page costs as much as all the pages before it.
const MaxDepth = 10_000

// Filter narrows the catalogue. The zero value of a field asks for nothing.
type Filter struct {
	Search   bool   // whether Words were asked for; without a word nothing matches
	Words    string // as timeline.Words makes them
	Category string
	Farm     int64
	MinPrice int64
	MaxPrice *int64
	InStock  bool
}

// Place is where in the catalogue to read: Limit products, by page, or beyond Cursor where that is not 0.
type Place struct {
	Page, Limit int32
	Cursor      int64
}

// Listing is one page of the catalogue. Next is the cursor of the following page, 0 on the last one.
type Listing struct {
	Products []Product
	Total    int64
	Next     int64
}

// List returns a page of what matches, newest first, and how many products do.
func (s *Service) List(ctx context.Context, f Filter, at Place) (Listing, error) {
	if at.Cursor == 0 && int64(at.Page)*int64(at.Limit) > MaxDepth {
		return Listing{}, fault.New(fault.Invalid, "page %d of %d is deeper than the %d products that can be paged", at.Page, at.Limit, MaxDepth).
			WithCode("page_too_deep").
			WithFields(fault.Field{Field: "page", Code: "too_deep", Message: "page times limit may not exceed 10000; cursor has no such bound"})
	}
	if f.Search && f.Words == "" {
		return Listing{}, nil
	}
	rows, err := s.page(ctx, newCut(f, at))
	if err != nil {
		return Listing{}, fault.Op("list products", err)
	}
	total, err := s.totals.of(ctx, newFilterKey(f), func(ctx context.Context) (int64, error) { return s.count(ctx, newCut(f, at)) })
	if err != nil {
		return Listing{}, fault.Op("count products", err)
	}
	p := timeline.PageOf(rows, timeline.Slice{Limit: at.Limit}, product, func(p Product) int64 { return p.ID })
	return Listing{Products: p.Items, Total: total, Next: p.Next}, nil
}

// cut is a filter and a place as the widest of the queries takes them.
type cut db.ListProductsMatchingParams

func newCut(f Filter, at Place) cut {
	c := cut{
		Words: f.Words, Category: f.Category, FarmID: f.Farm, MinPrice: f.MinPrice, MaxPrice: math.MaxInt64,
		BeforeID: math.MaxInt64, PageSize: timeline.Slice{Limit: at.Limit}.Fetch(), Skip: (at.Page - 1) * at.Limit,
	}
	if f.MaxPrice != nil {
		c.MaxPrice = *f.MaxPrice
	}
	if f.InStock {
		c.MinAvailable = 1
	}
	if at.Cursor != 0 {
		c.BeforeID, c.Skip = at.Cursor, 0
	}
	return c
}

// page walks the index of the narrowest thing that was asked for: words, then the farm, then the category.
func (s *Service) page(ctx context.Context, c cut) ([]db.ListProductsRow, error) {
	switch {
	case c.Words != "":
		return rowsOf(s.q.ListProductsMatching(ctx, db.ListProductsMatchingParams(c)))
	case c.FarmID != 0:
		return rowsOf(s.q.ListProductsOfFarm(ctx, db.ListProductsOfFarmParams{
			FarmID: c.FarmID, BeforeID: c.BeforeID, Category: c.Category, MinPrice: c.MinPrice, MaxPrice: c.MaxPrice,
			MinAvailable: c.MinAvailable, PageSize: c.PageSize, Skip: c.Skip,
		}))
	case c.Category != "":
		return rowsOf(s.q.ListProductsInCategory(ctx, db.ListProductsInCategoryParams{
			Category: c.Category, BeforeID: c.BeforeID, MinPrice: c.MinPrice, MaxPrice: c.MaxPrice, MinAvailable: c.MinAvailable,
			PageSize: c.PageSize, Skip: c.Skip,
		}))
	}
	return s.q.ListProducts(ctx, db.ListProductsParams{
		BeforeID: c.BeforeID, MinPrice: c.MinPrice, MaxPrice: c.MaxPrice, MinAvailable: c.MinAvailable, PageSize: c.PageSize, Skip: c.Skip,
	})
}

func (s *Service) count(ctx context.Context, c cut) (int64, error) {
	switch {
	case c.Words != "":
		return s.q.CountProductsMatching(ctx, db.CountProductsMatchingParams{
			Words: c.Words, FarmID: c.FarmID, Category: c.Category, MinPrice: c.MinPrice, MaxPrice: c.MaxPrice, MinAvailable: c.MinAvailable,
		})
	case c.FarmID != 0:
		return s.q.CountProductsOfFarm(ctx, db.CountProductsOfFarmParams{
			FarmID: c.FarmID, Category: c.Category, MinPrice: c.MinPrice, MaxPrice: c.MaxPrice, MinAvailable: c.MinAvailable,
		})
	case c.Category != "":
		return s.q.CountProductsInCategory(ctx, db.CountProductsInCategoryParams{
			Category: c.Category, MinPrice: c.MinPrice, MaxPrice: c.MaxPrice, MinAvailable: c.MinAvailable,
		})
	}
	return s.q.CountProducts(ctx, db.CountProductsParams{MinPrice: c.MinPrice, MaxPrice: c.MaxPrice, MinAvailable: c.MinAvailable})
}

// productRow is what every query that reads whole products returns.
type productRow interface {
	db.ListProductsRow | db.ListProductsInCategoryRow | db.ListProductsOfFarmRow | db.ListProductsMatchingRow | db.ProductByIDRow
}

func rowsOf[R productRow](rows []R, err error) ([]db.ListProductsRow, error) {
	out := make([]db.ListProductsRow, len(rows))
	for i, r := range rows {
		out[i] = db.ListProductsRow(r)
	}
	return out, err
}

// Get returns one product that is sold.
func (s *Service) Get(ctx context.Context, id int64) (Product, error) {
	r, err := s.q.ProductByID(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Product{}, timeline.Absent(aProduct)
	}
	if err != nil {
		return Product{}, fault.Op("read product", err)
	}
	return product(r), nil
}

func product[R productRow](row R) Product {
	r := db.ListProductsRow(row)
	return Product{
		ID: r.ID, Name: r.Name, Description: r.Description, Category: r.Category, Price: r.Price, Currency: r.Currency,
		Unit: r.Unit, Available: r.Available, Farm: FarmName{ID: r.FarmID, Name: r.FarmName}, CreatedAt: r.CreatedAt, Pictures: media.Pictures(r.Pictures),
	}
}
