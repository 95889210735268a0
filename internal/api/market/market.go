// Package market is the catalogue: farms and what they sell.
//
// Invariants: reading needs no account; depth is capped (page times limit), because an offset page costs as much as all the
// pages before it.
package market

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

// Store is the named queries this package needs.
type Store interface {
	ListProducts(ctx context.Context, arg db.ListProductsParams) ([]db.ListProductsRow, error)
	CountProducts(ctx context.Context) (int64, error)
	ProductByID(ctx context.Context, id int64) (db.ProductByIDRow, error)
}

// Farm sells.
type Farm struct {
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
	Farm        Farm
	CreatedAt   time.Time
}

// MaxDepth caps page times limit.
const MaxDepth = 10_000

// Service is the rules of the catalogue.
type Service struct{ store Store }

// New returns a Service.
func New(store Store) *Service { return &Service{store: store} }

// List returns one page of the catalogue, newest first, and how many products there are.
func (s *Service) List(ctx context.Context, page, limit int32) ([]Product, int64, error) {
	if int64(page)*int64(limit) > MaxDepth {
		return nil, 0, fault.New(fault.Invalid, "page %d of %d is deeper than the %d products that can be paged", page, limit, MaxDepth).
			WithCode("page_too_deep").
			WithFields(fault.Field{Field: "page", Code: "too_deep", Message: "page times limit may not exceed 10000"})
	}
	rows, err := s.store.ListProducts(ctx, db.ListProductsParams{PageSize: limit, Skip: (page - 1) * limit})
	if err != nil {
		return nil, 0, fault.Op("list products", err)
	}
	total, err := s.store.CountProducts(ctx)
	if err != nil {
		return nil, 0, fault.Op("count products", err)
	}
	out := make([]Product, len(rows))
	for i, r := range rows {
		out[i] = product(db.ProductByIDRow(r))
	}
	return out, total, nil
}

// Get returns one product.
func (s *Service) Get(ctx context.Context, id int64) (Product, error) {
	r, err := s.store.ProductByID(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Product{}, fault.New(fault.NotFound, "there is no such product")
	}
	if err != nil {
		return Product{}, fault.Op("read product", err)
	}
	return product(r), nil
}

func product(r db.ProductByIDRow) Product {
	return Product{
		ID: r.ID, Name: r.Name, Description: r.Description, Category: r.Category, Price: r.Price, Currency: r.Currency,
		Unit: r.Unit, Available: r.Available, Farm: Farm{ID: r.FarmID, Name: r.FarmName}, CreatedAt: r.CreatedAt,
	}
}
