package market

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
)

const (
	maxName        = 120
	maxDescription = 2000
	maxUnit        = 20
	maxStock       = 1_000_000_000
)

// NewProduct is what a farm says of something it begins to sell. What it says was checked against the spec; text is cleaned here.
type NewProduct struct {
	Name        string
	Description string
	Category    string
	Price       int64
	Unit        string
	Available   int64
}

// CreateProduct offers something, as a member of the farm.
func (s *Service) CreateProduct(ctx context.Context, viewer, farm int64, n NewProduct) (Product, error) {
	name, err := cleanLine("name", maxName, n.Name)
	if err != nil {
		return Product{}, err
	}
	unit, err := cleanLine("unit", maxUnit, n.Unit)
	if err != nil {
		return Product{}, err
	}
	description, err := timeline.CleanText("description", maxDescription, true, n.Description)
	if err != nil {
		return Product{}, err
	}
	if _, err := s.memberOf(ctx, viewer, farm); err != nil {
		return Product{}, fault.Op("create product", err)
	}
	id, err := s.q.CreateProduct(ctx, db.CreateProductParams{
		FarmID: farm, Name: name, Description: description, Category: n.Category, Price: n.Price, Unit: unit, Available: n.Available,
	})
	if err != nil {
		return Product{}, fault.Op("create product", err)
	}
	return s.Get(ctx, id)
}

// ProductChange is what changes on a product; nil leaves a field alone.
type ProductChange struct {
	Name        *string
	Description *string
	Category    *string
	Price       *int64
	Unit        *string
}

func (c *ProductChange) clean() (err error) {
	if c.Name != nil {
		if *c.Name, err = cleanLine("name", maxName, *c.Name); err != nil {
			return err
		}
	}
	if c.Unit != nil {
		if *c.Unit, err = cleanLine("unit", maxUnit, *c.Unit); err != nil {
			return err
		}
	}
	if c.Description != nil {
		*c.Description, err = timeline.CleanText("description", maxDescription, true, *c.Description)
	}
	return err
}

// cleanLine is a text of one line that shows something.
func cleanLine(field string, max int, s string) (string, error) {
	s, err := timeline.CleanText(field, max, false, s)
	if err == nil && strings.ContainsAny(s, "\n\t") {
		return "", fault.New(fault.Invalid, "the %s can't be used", field).WithCode("invalid_input").
			WithFields(fault.Field{Field: field, Code: "control_character", Message: "it has more than one line, or a tab"})
	}
	return s, err
}

// UpdateProduct changes a product, as a member of its farm.
func (s *Service) UpdateProduct(ctx context.Context, viewer, id int64, c ProductChange) (Product, error) {
	if err := c.clean(); err != nil {
		return Product{}, err
	}
	return s.change(ctx, "update product", viewer, id, func() (int64, error) {
		return s.q.UpdateProduct(ctx, db.UpdateProductParams{
			ID: id, Name: c.Name, Description: c.Description, Category: c.Category, Price: c.Price, Unit: c.Unit,
		})
	})
}

// ArchiveProduct takes a product out of the catalogue, as a member of its farm.
func (s *Service) ArchiveProduct(ctx context.Context, viewer, id int64) error {
	if err := s.sells(ctx, viewer, id); err != nil {
		return fault.Op("archive product", err)
	}
	n, err := s.q.ArchiveProduct(ctx, id)
	if err == nil && n == 0 {
		return timeline.Absent(aProduct)
	}
	return fault.Op("archive product", err)
}

// SetStock makes the stock what was counted, unless it is no longer what the counting began with.
func (s *Service) SetStock(ctx context.Context, viewer, id, available, expected int64) (Product, error) {
	changed := false
	p, err := s.change(ctx, "set stock", viewer, id, func() (int64, error) {
		n, err := s.q.SetStock(ctx, db.SetStockParams{ID: id, Available: available, Expected: expected})
		changed = n == 1
		return 1, err
	})
	if err != nil || changed {
		return p, err
	}
	return p, fault.New(fault.Conflict, "the stock is not what you saw: it is %d now", p.Available).WithCode("stock_changed").
		WithFields(fault.Field{Field: "body.expected", Code: "changed", Message: fmt.Sprintf("%d in stock", p.Available)})
}

// AdjustStock adds to the stock, or takes from it.
func (s *Service) AdjustStock(ctx context.Context, viewer, id, by int64) (Product, error) {
	changed := false
	p, err := s.change(ctx, "adjust stock", viewer, id, func() (int64, error) {
		n, err := s.q.AdjustStock(ctx, db.AdjustStockParams{ID: id, Change: by, AtMost: maxStock})
		changed = n == 1
		return 1, err
	})
	if err != nil || changed {
		return p, err
	}
	if by > 0 {
		return p, fault.New(fault.Conflict, "that is more than the %d that a product can have in stock", maxStock).WithCode("too_much_stock")
	}
	return p, fault.New(fault.Conflict, "there are only %d in stock", p.Available).WithCode("out_of_stock").
		WithFields(fault.Field{Field: "body.change", Code: "short", Message: fmt.Sprintf("%d in stock", p.Available)})
}

// change does something to a product as a member of its farm and returns the product. No row written means that it is gone.
func (s *Service) change(ctx context.Context, op string, viewer, id int64, write func() (int64, error)) (Product, error) {
	if err := s.sells(ctx, viewer, id); err != nil {
		return Product{}, fault.Op(op, err)
	}
	n, err := write()
	if err == nil && n == 0 {
		err = timeline.Absent(aProduct)
	}
	if err != nil {
		return Product{}, fault.Op(op, err)
	}
	return s.Get(ctx, id)
}

// sells refuses whoever is no member of a product's farm.
func (s *Service) sells(ctx context.Context, viewer, id int64) error {
	r, err := s.q.ProductForMember(ctx, db.ProductForMemberParams{ViewerID: viewer, ID: id})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return timeline.Absent(aProduct)
	case err != nil:
		return err
	case r.Role == "":
		return errNotAMember()
	}
	return nil
}
