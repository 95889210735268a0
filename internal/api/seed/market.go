package seed

import (
	"crypto/sha256"
	"strconv"

	"github.com/platctl/platctl/internal/api/market"
)

// marketPlan is what farms sell and people order, before it is written.
type marketPlan struct {
	owners  shuffle // farm -> place in the crowd
	stalls  shuffle // popularity rank -> farm
	buyers  shuffle // rank by how much they buy -> place in the crowd
	sellers *zipf
	shelf   *zipf
	sold    []int64 // by product: the units in orders that are not cancelled
	events  []int64 // the first id of the events of each chunk of orders
	rows    int64
}

const (
	orderChunk = sliceMax / 2 // an order has some three lines and four events
	demoBuys   = 50           // one in so many orders is demo's
	fresh      = 3 * 24 * 3600
)

func (w *world) planMarket() {
	r := newRNG(w.seed, kindMarket, 0)
	m := &marketPlan{
		owners: newShuffle(r, w.crowd), stalls: newShuffle(r, w.Farms), buyers: newShuffle(r, w.crowd),
		sellers: newZipf(w.Farms), shelf: newZipf(w.Products), sold: make([]int64, w.Farms*w.Products+1),
	}
	w.market = m
	event := int64(1)
	for id := int64(1); id <= int64(w.Orders); id++ {
		if (id-1)%orderChunk == 0 {
			m.events = append(m.events, event)
		}
		o := w.order(id)
		event += int64(len(o.steps))
		m.rows += 2 + int64(len(o.lines)+len(o.steps)) // the order and its payment
		for _, l := range o.lines {
			if o.status() != market.Cancelled {
				m.sold[l.product] += l.quantity
			}
		}
	}
	m.events = append(m.events, event)
	m.rows += int64(w.Farms + w.Farms*w.Products + len(w.memberRows(1, int64(w.Farms)+1).rows) + len(w.carts(1, int64(w.Users)+1)))
}

func (w *world) lastEvent() int64 { return w.market.events[len(w.market.events)-1] - 1 }

// sells is what a product is, as a pure function of its id.
type sells struct {
	name, description, category, unit, currency string
	price, available                            int64
}

func (w *world) farmOf(product int64) int64 { return (product-1)/int64(w.Products) + 1 }

func (w *world) currency(farm int64) string {
	if newRNG(w.seed, kindFarm, farm).below(10) == 0 {
		return "CHF"
	}
	return "EUR"
}

// product has one of the crops; what a farm offers beyond its first eight is of some sort, so that a search has something to
// narrow.
func (w *world) product(id int64) sells {
	r, farm, j := newRNG(w.seed, kindProduct, id), w.farmOf(id), int((id-1)%int64(w.Products))
	c := crops()[w.cropOf(id)]
	s := sells{name: c.name, category: c.category, unit: c.unit, currency: w.currency(farm),
		price: c.price + int64(10*r.below(12)), available: int64(r.below(90) + 10)}
	if j >= 8 {
		s.name = pick(r, sorts()) + " " + c.plural
	}
	s.description = pick(r, praises())
	if r.below(2000) == 0 {
		s.description += " Goes with medlar jelly."
	}
	return s
}

// cropOf returns which of the crops a product is.
func (w *world) cropOf(product int64) int {
	farm, j := w.farmOf(product), int((product-1)%int64(w.Products))
	return (int(farm-1) + 2*j) % len(crops())
}

func (w *world) farmRows(from, to int64) *table {
	t := newTable("farms", "id name description currency created_at")
	for id := from; id < to; id++ {
		t.add(id, farmName(int(id-1)), pick(newRNG(w.seed, kindFarm, -id), mottos()), w.currency(id), w.at(0))
	}
	return t
}

func (w *world) ownerOf(farm int64) int64 {
	if farm == 1 {
		return demoID
	}
	return w.first + int64(w.market.owners.at(int(farm-1)%w.crowd))
}

// memberRows gives each farm an owner, and up to two who help. demo owns the first.
func (w *world) memberRows(from, to int64) *table {
	t := newTable("farm_members", "farm_id user_id role created_at")
	for farm := from; farm < to; farm++ {
		place := w.market.owners.at(int(farm-1) % w.crowd)
		t.add(farm, w.ownerOf(farm), market.Owner, w.at(0))
		for i := range newRNG(w.seed, kindFarm, farm<<1).below(3) {
			t.add(farm, w.first+int64((place+1+i)%w.crowd), market.Member, w.at(0))
		}
	}
	return t
}

func (w *world) productRows(from, to int64) *table {
	t := newTable("products", "id farm_id name description category price currency unit available sold created_at")
	first := (from-1)*int64(w.Products) + 1
	for id := first; id < (to-1)*int64(w.Products)+1; id++ {
		p := w.product(id)
		t.add(id, w.farmOf(id), p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, w.market.sold[id], w.at(0))
	}
	return t
}

// order is what somebody ordered, and how far it came.
type order struct {
	farm, buyer int64
	lines       []orderLine
	steps       []orderStep // the first is that it was placed
}

type orderLine struct{ product, quantity int64 }

type orderStep struct {
	to     market.Status
	by     market.Side
	second int64
}

func (o order) status() market.Status { return o.steps[len(o.steps)-1].to }

// order is a pure function of its id: popular farms sell most, and few people buy most.
func (w *world) order(id int64) order {
	r := newRNG(w.seed, kindOrder, id)
	o := order{
		farm:  1 + int64(w.market.stalls.at(w.market.sellers.draw(r))),
		buyer: w.first + int64(w.market.buyers.at(w.fans.draw(r))),
	}
	if id%demoBuys == 0 {
		o.buyer = demoID
	}
	shelf := (o.farm - 1) * int64(w.Products)
	for _, place := range w.market.shelf.distinct(r, 1+min(r.below(6), r.below(6)), func(int) bool { return false }) {
		o.lines = append(o.lines, orderLine{shelf + 1 + int64(place), 1 + int64(min(r.below(5), r.below(5)))})
	}
	second := (id - 1) * span / int64(w.Orders)
	o.steps = []orderStep{{market.Placed, market.Buyer, second}}
	for _, s := range fate(r, span-second < fresh) {
		second = min(second+60+int64(r.below(4*3600)), span)
		o.steps = append(o.steps, orderStep{s.to, s.by, second})
	}
	return o
}

// fate is what becomes of an order: what is not fresh has come to its end.
func fate(r *rng, isFresh bool) []orderStep {
	way := []orderStep{{to: market.Confirmed, by: market.Seller}, {to: market.Ready, by: market.Seller}, {to: market.Completed, by: market.Seller}}
	roll := r.below(100)
	switch {
	case roll < 4:
		return []orderStep{{to: market.Cancelled, by: market.Buyer}}
	case roll < 8:
		return []orderStep{way[0], {to: market.Cancelled, by: market.Seller}}
	case isFresh && roll < 38:
		return nil
	case isFresh && roll < 60:
		return way[:1]
	case isFresh && roll < 78:
		return way[:2]
	}
	return way
}

// orderRows makes the orders with ids in [from, to), with their lines, events and payments.
func (w *world) orderRows(from, to int64) []*table {
	orders := newTable("orders", "id buyer_id farm_id status currency total idempotency_key request_hash created_at updated_at")
	lines := newTable("order_lines", "order_id product_id name unit price quantity")
	events := newTable("order_events", "id order_id actor_id side from_status to_status created_at")
	payments := newTable("payments", "order_id method status currency amount updated_at")
	event := w.market.events[(from-1)/orderChunk]
	for id := from; id < to; id++ {
		o := w.order(id)
		total := int64(0)
		for _, l := range o.lines {
			p := w.product(l.product)
			total += p.price * l.quantity
			lines.add(id, l.product, p.name, p.unit, p.price, l.quantity)
		}
		key := "seed-" + strconv.FormatInt(id, 10)
		hash := sha256.Sum256([]byte(key))
		last := o.steps[len(o.steps)-1]
		orders.add(id, o.buyer, o.farm, string(last.to), w.currency(o.farm), total, key, hash[:], w.at(o.steps[0].second), w.at(last.second))
		payments.add(id, market.Method, paymentOf(last.to), w.currency(o.farm), total, w.at(last.second))
		var was any
		for _, s := range o.steps {
			events.add(event, id, w.actor(o, s.by), string(s.by), was, string(s.to), w.at(s.second))
			was = string(s.to)
			event++
		}
	}
	return []*table{orders, lines, events, payments}
}

// actor is who took a step: the farm's owner, or the buyer.
func (w *world) actor(o order, by market.Side) int64 {
	if by == market.Buyer {
		return o.buyer
	}
	return w.ownerOf(o.farm)
}

func paymentOf(s market.Status) string {
	switch s {
	case market.Completed:
		return "paid"
	case market.Cancelled:
		return "void"
	}
	return "due"
}

// carts makes the carts of the accounts with ids in [from, to): one in ten has one, and the first viewer a full one.
func (w *world) carts(from, to int64) [][]any {
	var rows [][]any
	for id := from; id < to; id++ {
		r, n := newRNG(w.seed, kindCart, id), 0
		switch {
		case id == demoID:
			n = 3
		case id == firstViewer && id < w.first:
			n = 60
		case r.below(10) == 0:
			n = 1 + r.below(5)
		}
		taken := map[int64]bool{}
		for len(taken) < n {
			product := 1 + int64(r.below(w.Farms*w.Products))
			if !taken[product] {
				taken[product] = true
				rows = append(rows, []any{id, product, 1 + int64(r.below(4)), w.at(span)})
			}
		}
	}
	return rows
}

func (w *world) cartRows(from, to int64) *table {
	t := newTable("cart_items", "user_id product_id quantity updated_at")
	t.rows = w.carts(from, to)
	return t
}

// farmsAtATime bounds what is in memory.
func (w *world) farmsAtATime() int64 { return int64(max(1, sliceMax/w.Products)) }
