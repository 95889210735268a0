package market

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/api/timeline"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

const (
	maxNote     = 500
	maxLines    = 50
	maxQuantity = 1000
	// lockWait is how long an order waits for another one: for the first with its key, or for one that takes the same stock.
	lockWait = 2 * time.Second
)

// Item is how much somebody wants of a product.
type Item struct {
	Product  int64 `json:"product"`
	Quantity int64 `json:"quantity"`
}

// PlaceOrder is what somebody orders from a farm.
type PlaceOrder struct {
	Farm  int64
	Items []Item // nil: what the cart has of the farm
	Note  string
	Key   string // names the order for its buyer, for ever
}

// Shortage is a product that there is not enough of. One that the farm does not sell, or sells no longer, is Gone.
type Shortage struct {
	Product   int64
	Wanted    int64
	Available int64
	Gone      bool
}

// ShortageError says why an order could not be placed.
type ShortageError struct{ Products []Shortage }

// Error implements error.
func (e *ShortageError) Error() string {
	return fmt.Sprintf("there is not enough of %d products", len(e.Products))
}

// Place orders. The same key with the same order returns that order, as it is now, and replayed; with another order it is
// refused. Nothing is ordered unless all of it is there: then the error is a ShortageError.
//
// The stock is taken, the order written and its key used up in one transaction; the payment is asked for after it.
func (s *Service) Place(ctx context.Context, buyer int64, p PlaceOrder) (o Order, replayed bool, err error) {
	if p.Note, err = timeline.CleanText("note", maxNote, true, p.Note); err != nil {
		return Order{}, false, err
	}
	if p.Items != nil {
		if p.Items, err = addUp(p.Items); err != nil {
			return Order{}, false, err
		}
	}
	id, replayed, err := s.reserve(ctx, buyer, p)
	if err != nil {
		return Order{}, false, fault.Op("place order", s.explain(ctx, p.Farm, err))
	}
	if replayed {
		s.Metrics.replays.Inc()
	} else if err := s.settle(ctx, id, mover{Buyer, buyer}); err != nil {
		s.log.WarnContext(ctx, "the payment of an order stays open, or was declined", "order", id, "error", err)
	}
	o, err = s.Order(ctx, buyer, id)
	if err == nil && o.Payment == PaymentDeclined {
		return Order{}, replayed, errDeclined()
	}
	return o, replayed, err
}

// addUp makes one item of those of one product: each of two lines may be there, and not both. The order is that of the
// products' ids.
func addUp(items []Item) ([]Item, error) {
	sum := map[int64]int64{}
	for _, i := range items {
		sum[i.Product] += i.Quantity
	}
	out := make([]Item, 0, len(sum))
	for product, quantity := range sum {
		if quantity < 1 || quantity > maxQuantity {
			return nil, fault.New(fault.Invalid, "an order has up to %d units of a product", maxQuantity).WithCode("invalid_input").
				WithFields(fault.Field{Field: "body.items", Code: "too_many", Message: fmt.Sprintf("%d of one product", quantity)})
		}
		out = append(out, Item{product, quantity})
	}
	slices.SortFunc(out, func(a, b Item) int { return cmp.Compare(a.Product, b.Product) })
	return out, nil
}

// fingerprint is what makes two requests the same order: what they mean, however they are written.
func (p PlaceOrder) fingerprint() ([]byte, error) {
	canonical, err := json.Marshal(struct {
		Farm  int64
		Items []Item
		Note  string
	}{p.Farm, p.Items, p.Note})
	sum := sha256.Sum256(canonical)
	return sum[:], err
}

// reserve writes the order and takes its stock, or finds the one that has its key.
func (s *Service) reserve(ctx context.Context, buyer int64, p PlaceOrder) (id int64, replayed bool, err error) {
	hash, err := p.fingerprint()
	if err != nil {
		return 0, false, err
	}
	err = pg.InTx(ctx, s.db, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.WaitAtMost(ctx, lockWait.Milliseconds()); err != nil {
			return err
		}
		opened, err := q.OpenOrder(ctx, db.OpenOrderParams{
			ViewerID: buyer, FarmID: p.Farm, Note: p.Note, IdempotencyKey: p.Key, RequestHash: hash,
		})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			id, err = placedBefore(ctx, q, buyer, p, hash)
			replayed = err == nil
			return err
		case pg.Is(err, pg.LockNotAvailable):
			return fault.Wrap(err, fault.Conflict, "a request with this key is still under way").WithCode("idempotency_in_progress")
		case err != nil:
			return err
		}
		id, replayed = opened.ID, false
		return fill(ctx, q, buyer, p, opened)
	})
	return id, replayed, err
}

// placedBefore returns the order that has the key. There is none where the farm or the account does not exist.
func placedBefore(ctx context.Context, q *db.Queries, buyer int64, p PlaceOrder, hash []byte) (int64, error) {
	was, err := q.OrderByKey(ctx, db.OrderByKeyParams{ViewerID: buyer, IdempotencyKey: p.Key})
	switch {
	case err == nil && !bytes.Equal(was.RequestHash, hash):
		return 0, fault.New(fault.Mismatch, "the key belongs to another order of yours").WithCode("idempotency_key_reused")
	case !errors.Is(err, pgx.ErrNoRows):
		return was.ID, err
	}
	if _, err := q.FarmByID(ctx, p.Farm); errors.Is(err, pgx.ErrNoRows) {
		return 0, timeline.Absent(aFarm)
	} else if err != nil {
		return 0, err
	}
	return 0, errGone()
}

// fill takes the stock of an order that was opened and writes its lines.
func fill(ctx context.Context, q *db.Queries, buyer int64, p PlaceOrder, opened db.OpenOrderRow) error {
	items, err := p.Items, error(nil)
	if items == nil {
		if items, err = takeCart(ctx, q, buyer, p.Farm); err != nil {
			return err
		}
	}
	want := db.TakeStockParams{FarmID: p.Farm}
	for _, i := range items {
		want.Ids, want.Quantities = append(want.Ids, i.Product), append(want.Quantities, i.Quantity)
	}
	taken, err := q.TakeStock(ctx, want)
	if err != nil {
		return err
	}
	if len(taken) < len(items) {
		return missing(items, taken)
	}
	lines := db.FillOrderParams{OrderID: opened.ID, ViewerID: buyer, Method: Method, Currency: opened.Currency}
	for _, t := range taken {
		lines.Ids, lines.Names, lines.Units = append(lines.Ids, t.ID), append(lines.Names, t.Name), append(lines.Units, t.Unit)
		lines.Prices, lines.Quantities = append(lines.Prices, t.Price), append(lines.Quantities, t.Quantity)
		lines.Total += t.Price * t.Quantity
	}
	return q.FillOrder(ctx, lines)
}

func takeCart(ctx context.Context, q *db.Queries, buyer, farm int64) ([]Item, error) {
	rows, err := q.TakeCart(ctx, db.TakeCartParams{ViewerID: buyer, FarmID: farm})
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return nil, fault.New(fault.Conflict, "your cart has nothing of this farm").WithCode("cart_empty")
	case len(rows) > maxLines:
		return nil, fault.New(fault.Conflict, "your cart has %d products of this farm; an order has up to %d", len(rows), maxLines).
			WithCode("too_many_lines")
	}
	items := make([]Item, len(rows))
	for i, r := range rows {
		items[i] = Item{r.ProductID, r.Quantity}
	}
	return items, nil
}

// missing names what could not be taken.
func missing(items []Item, taken []db.TakeStockRow) error {
	e := &ShortageError{}
	for _, i := range items {
		if !slices.ContainsFunc(taken, func(t db.TakeStockRow) bool { return t.ID == i.Product }) {
			e.Products = append(e.Products, Shortage{Product: i.Product, Wanted: i.Quantity})
		}
	}
	return e
}

// explain completes a shortage with what there is. It asks after the transaction, which held the locks, has ended.
func (s *Service) explain(ctx context.Context, farm int64, err error) error {
	var short *ShortageError
	if !errors.As(err, &short) {
		return err
	}
	s.Metrics.short.Inc()
	ids := make([]int64, len(short.Products))
	for i, p := range short.Products {
		ids[i] = p.Product
	}
	rows, err := s.q.StockOf(ctx, db.StockOfParams{Ids: ids, FarmID: farm})
	if err != nil {
		return err
	}
	for i := range short.Products {
		p := &short.Products[i]
		at := slices.IndexFunc(rows, func(r db.StockOfRow) bool { return r.ID == p.Product })
		if p.Gone = at < 0; !p.Gone {
			p.Available = rows[at].Available
		}
	}
	return short
}
