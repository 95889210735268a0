package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/market"
	"github.com/platctl/platctl/internal/api/openapi/client"
)

// stall is a farm with two products, its owner and a buyer.
type stall struct {
	*apitest.Env
	t           *testing.T
	seller      *client.Client
	buyer       *client.Client
	sells, buys client.Session
	farm        client.FarmId
	plums, eggs client.Product
	keys        atomic.Int64
}

func newStall(t *testing.T, opts ...apitest.Option) *stall {
	t.Helper()
	s := &stall{Env: apitest.New(t, opts...), t: t}
	s.sells, s.seller = s.Signup("ana")
	s.buys, s.buyer = s.Signup("ben")
	s.farm = farmOf(t, s.seller, "Hill Orchard")
	s.plums, s.eggs = offer(t, s.seller, s.farm, "Plums", 250, 10), offer(t, s.seller, s.farm, "Eggs", 400, 10)
	return s
}

func item(p client.Product, quantity int64) client.PlaceOrderItem {
	return client.PlaceOrderItem{Product: p.ID, Quantity: quantity}
}

// place orders under a key of its own.
func (s *stall) place(items ...client.PlaceOrderItem) (client.Order, error) {
	res, err := s.placeAs(s.buyer, fmt.Sprintf("key-%d", s.keys.Add(1)), items...)
	if err != nil {
		return client.Order{}, err
	}
	return res.Response.Data, nil
}

func (s *stall) placeAs(c *client.Client, key string, items ...client.PlaceOrderItem) (*client.OrderResponseHeaders, error) {
	return c.PlaceOrder(s.t.Context(), &client.PlaceOrderRequest{Farm: s.farm, Items: items}, client.PlaceOrderParams{IdempotencyKey: key})
}

func (s *stall) mustPlace(items ...client.PlaceOrderItem) client.Order {
	s.t.Helper()
	o, err := s.place(items...)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// stock returns what is available of a product, and checks that it and what was sold add up.
func (s *stall) stock(p client.Product) int64 {
	s.t.Helper()
	res, err := s.seller.GetProduct(s.t.Context(), client.GetProductParams{ID: p.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	var drift int64
	if err := s.Pool.QueryRow(s.t.Context(), `select count(*) from products p where p.available + p.sold <> $1 or p.sold <> (
		select coalesce(sum(l.quantity), 0) from order_lines l join orders o on o.id = l.order_id and o.status <> 'cancelled' where l.product_id = p.id)`,
		p.Available).Scan(&drift); err != nil || drift != 0 {
		s.t.Errorf("the stock of %d products does not add up, %v", drift, err)
	}
	return res.Data.Available
}

func (s *stall) move(c *client.Client, id client.OrderId, to string) (*client.OrderResponse, error) {
	ctx := s.t.Context()
	switch to {
	case "confirm":
		return c.ConfirmOrder(ctx, client.ConfirmOrderParams{ID: id})
	case "ready":
		return c.ReadyOrder(ctx, client.ReadyOrderParams{ID: id})
	case "complete":
		return c.CompleteOrder(ctx, client.CompleteOrderParams{ID: id})
	}
	return c.CancelOrder(ctx, client.NewOptCancelOrderRequest(client.CancelOrderRequest{Reason: client.NewOptString(to)}), client.CancelOrderParams{ID: id})
}

// advance moves an order as the farm.
func (s *stall) advance(id client.OrderId, steps ...string) client.Order {
	s.t.Helper()
	var o client.Order
	for _, step := range steps {
		res, err := s.move(s.seller, id, step)
		if err != nil {
			s.t.Fatalf("%s: %v", step, err)
		}
		o = res.Data
	}
	return o
}

// told returns what somebody is notified of: order statuses, newest first.
func told(t testing.TB, c *client.Client) string {
	t.Helper()
	res, err := c.ListNotifications(t.Context(), client.ListNotificationsParams{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range res.Data {
		if n.Kind != client.NotificationKindOrder || n.ActorCount != 0 || len(n.Actors) != 0 || !n.Order.Set {
			t.Errorf("notification %+v", n)
		}
		out = append(out, string(n.OrderStatus.Value))
	}
	return strings.Join(out, " ")
}

// From the cart to the counter: stock, money, history, notifications, events and metrics follow the order.
func TestOrderJourney(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	ctx := t.Context()
	other := offer(t, s.seller, farmOf(t, s.seller, "Blue Creek"), "Honey", 900, 10)
	for p, q := range map[client.ProductId]int64{s.plums.ID: 3, s.eggs.ID: 1, other.ID: 2} {
		if _, err := s.buyer.SetCartItem(ctx, &client.SetCartItemRequest{Quantity: q}, client.SetCartItemParams{ID: p}); err != nil {
			t.Fatal(err)
		}
	}
	res, err := s.buyer.PlaceOrder(ctx, &client.PlaceOrderRequest{Farm: s.farm, Note: client.NewOptString(" Small ones, please.\n")},
		client.PlaceOrderParams{IdempotencyKey: "first"})
	if err != nil {
		t.Fatal(err)
	}
	o := res.Response.Data
	if o.Total != 3*250+400 || o.Currency != "EUR" || o.Status != "placed" || o.Note != "Small ones, please." || len(o.Lines) != 2 ||
		o.Payment.Method != market.Method || o.Payment.Status != "due" || o.Buyer.Handle.Value != "ben" || res.IdempotentReplayed {
		t.Errorf("%+v", o)
	}
	cart, err := s.buyer.GetCart(ctx)
	if err != nil || len(cart.Data.Farms) != 1 || cart.Data.Farms[0].Farm.Name != "Blue Creek" {
		t.Errorf("the cart afterwards: %+v, %v", cart, err)
	}
	if got := s.stockOf(s.plums); got != 7 {
		t.Errorf("%d plums left", got)
	}
	if got := told(t, s.seller); got != "placed" {
		t.Errorf("the farm is told %q", got)
	}
	// The price of an order is that of its moment.
	if _, err := s.seller.UpdateProduct(ctx, &client.UpdateProductRequest{Price: client.NewOptInt64(999)}, client.UpdateProductParams{ID: s.plums.ID}); err != nil {
		t.Fatal(err)
	}
	done := s.advance(o.ID, "confirm", "ready", "complete")
	if done.Total != o.Total || done.Payment.Status != "paid" || len(done.Events) != 4 || done.Buyer != o.Buyer {
		t.Errorf("%+v", done)
	}
	history := ""
	for _, e := range done.Events {
		history += fmt.Sprintf("%s>%s by %s, ", e.From.Value, e.To, e.By)
	}
	if history != ">placed by buyer, placed>confirmed by farm, confirmed>ready by farm, ready>completed by farm, " {
		t.Error(history)
	}
	if got := told(t, s.buyer); got != "completed" { // one notification for what one order does within 12 hours
		t.Errorf("the buyer is told %q", got)
	}
	mine, err := s.buyer.ListOrders(ctx, client.ListOrdersParams{})
	if err != nil || len(mine.Data) != 1 || mine.Data[0].Status != "completed" || mine.Data[0].LineCount != 2 || mine.Data[0].Buyer.Handle.Value != "ben" {
		t.Errorf("%+v, %v", mine, err)
	}
	for status, want := range map[string]int{"": 1, "completed": 1, "placed": 0} {
		params := client.ListFarmOrdersParams{ID: s.farm}
		if status != "" {
			params.Status = client.NewOptOrderStatus(client.OrderStatus(status))
		}
		list, err := s.seller.ListFarmOrders(ctx, params)
		if err != nil || len(list.Data) != want {
			t.Errorf("orders of the farm, status %q: %+v, %v", status, list, err)
		}
	}
	s.wantEvents("order_placed order_confirmed order_ready order_completed")
	s.wantMetric(`orders_total{status="placed"} 1`, `orders_total{status="completed"} 1`, `order_revenue_total{currency="EUR"} 1150`)
}

func (s *stall) stockOf(p client.Product) int64 {
	s.t.Helper()
	res, err := s.seller.GetProduct(s.t.Context(), client.GetProductParams{ID: p.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Data.Available
}

func (s *stall) wantEvents(want string) {
	s.t.Helper()
	var got string
	if err := s.Pool.QueryRow(s.t.Context(), "select coalesce(string_agg(kind, ' ' order by id), '') from app_events where kind like 'order%'").Scan(&got); err != nil || got != want {
		s.t.Errorf("events %q, %v; want %q", got, err, want)
	}
}

func (s *stall) wantMetric(lines ...string) {
	s.t.Helper()
	text := metrics(s.t, s.Env)
	for _, want := range lines {
		if !strings.Contains(text, want+"\n") {
			s.t.Errorf("the metrics lack %s", want)
		}
	}
}

// A cart says what can still be ordered, and holds so much.
func TestCart(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	ctx := t.Context()
	set := func(p client.ProductId, q int64) error {
		_, err := s.buyer.SetCartItem(ctx, &client.SetCartItemRequest{Quantity: q}, client.SetCartItemParams{ID: p})
		return err
	}
	for p, q := range map[client.ProductId]int64{s.plums.ID: 11, s.eggs.ID: 2} {
		if err := errors.Join(set(p, 1), set(p, q)); err != nil {
			t.Fatal(err)
		}
	}
	gone := offer(t, s.seller, s.farm, "Chard", 100, 5)
	if err := set(gone.ID, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.seller.ArchiveProduct(ctx, client.ArchiveProductParams{ID: gone.ID}); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, set(gone.ID, 1), 404, "not_found")
	wantProblem(t, set("prod_zzzzzzzzzzz", 1), 404, "not_found")
	cart, err := s.buyer.GetCart(ctx)
	if err != nil || len(cart.Data.Farms) != 1 {
		t.Fatalf("%+v, %v", cart, err)
	}
	f, states := cart.Data.Farms[0], ""
	for _, i := range f.Items {
		states += i.Name + " " + string(i.State) + ", "
	}
	if states != "Plums short, Eggs ok, Chard gone, " || f.Total != 800 {
		t.Errorf("%s total %d", states, f.Total)
	}
	order := func() error {
		_, err := s.buyer.PlaceOrder(ctx, &client.PlaceOrderRequest{Farm: s.farm}, client.PlaceOrderParams{IdempotencyKey: "cart"})
		return err
	}
	wantProblem(t, order(), 409, "out_of_stock")
	if again, err := s.buyer.GetCart(ctx); err != nil || len(again.Data.Farms[0].Items) != 3 {
		t.Errorf("a refused order changed the cart: %+v, %v", again, err)
	}
	for range 2 {
		if err := s.buyer.RemoveCartItem(ctx, client.RemoveCartItemParams{ID: gone.ID}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(set(s.plums.ID, 10), order()); err != nil {
		t.Fatal(err)
	}
	_, err = s.buyer.PlaceOrder(ctx, &client.PlaceOrderRequest{Farm: s.farm}, client.PlaceOrderParams{IdempotencyKey: "empty"})
	wantProblem(t, err, 409, "cart_empty")
	if _, err := s.Pool.Exec(ctx, `insert into products (farm_id, name, category, price, unit, available)
		select f.id, 'Crate ' || i, 'fruit', 1, 'kg', 5 from farms f, generate_series(1, 200) i`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pool.Exec(ctx, `insert into cart_items (user_id, product_id, quantity)
		select u.id, p.id, 1 from users u, products p where u.handle = 'ben' and p.name like 'Crate%'`); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, set(s.eggs.ID, 1), 409, "cart_full")
	_, err = s.buyer.PlaceOrder(ctx, &client.PlaceOrderRequest{Farm: s.farm}, client.PlaceOrderParams{IdempotencyKey: "long"})
	wantProblem(t, err, 409, "too_many_lines")
	if err := s.buyer.ClearCart(ctx); err != nil {
		t.Fatal(err)
	}
	if empty, err := s.buyer.GetCart(ctx); err != nil || len(empty.Data.Farms) != 0 {
		t.Errorf("%+v, %v", empty, err)
	}
}

// Nothing is ordered unless all of it is there; the answer names each product that is short.
func TestOutOfStock(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	elsewhere := offer(t, s.seller, farmOf(t, s.seller, "Blue Creek"), "Honey", 900, 10)
	// Two lines of one product: each is there, both are not.
	_, err := s.place(item(s.plums, 6), item(s.eggs, 1), item(s.plums, 5), item(elsewhere, 1), client.PlaceOrderItem{Product: "prod_zzzzzzzzzzz", Quantity: 1})
	wantProblem(t, err, 409, "out_of_stock")
	var p *client.ProblemStatusCode
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range p.Response.Errors {
		got[e.Field] = e.Code + ": " + e.Message
	}
	for id, want := range map[client.ProductId]string{
		s.plums.ID: "short: 11 wanted, 10 in stock", elsewhere.ID: "gone: the farm does not sell it", "prod_zzzzzzzzzzz": "gone: the farm does not sell it",
	} {
		if got[string(id)] != want {
			t.Errorf("%s: %q, want %q", id, got[string(id)], want)
		}
	}
	if len(got) != 3 || s.stock(s.plums) != 10 || s.stock(s.eggs) != 10 {
		t.Errorf("%v; %d plums, %d eggs", got, s.stock(s.plums), s.stock(s.eggs))
	}
	_, err = s.place(item(s.plums, 600), item(s.plums, 600))
	wantProblem(t, err, 400, "invalid_input")
	_, err = s.buyer.PlaceOrder(t.Context(), &client.PlaceOrderRequest{Farm: "farm_zzzzzzzzzzz", Items: []client.PlaceOrderItem{item(s.plums, 1)}},
		client.PlaceOrderParams{IdempotencyKey: "nowhere"})
	wantProblem(t, err, 404, "not_found")
	s.wantMetric("out_of_stock_total 1")
}

// Who may do what, and from where: everything else is refused and changes nothing.
func TestOrderSteps(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	_, stranger := s.Signup("carl")
	steps := []string{"confirm", "ready", "complete", "cancel"}
	legal := map[string][]string{"placed": {"confirm", "cancel"}, "confirmed": {"ready", "cancel"}, "ready": {"complete"}}
	reach := map[string][]string{
		"placed": nil, "confirmed": {"confirm"}, "ready": {"confirm", "ready"}, "completed": {"confirm", "ready", "complete"}, "cancelled": {"cancel"},
	}
	for status, path := range reach {
		for _, step := range steps {
			id := s.mustPlace(item(s.eggs, 1)).ID
			s.advance(id, path...)
			_, err := s.move(stranger, id, step)
			wantProblem(t, err, 404, "not_found")
			if _, err = s.move(s.buyer, id, step); step != "cancel" {
				wantProblem(t, err, 403, "farm_only")
			} else if status != "placed" {
				s.wantIllegal(err, status)
			} else if err != nil {
				t.Errorf("the buyer can't cancel: %v", err)
			} else {
				continue
			}
			_, err = s.move(s.seller, id, step)
			if may := strings.Contains(strings.Join(legal[status], " "), step); may && err != nil {
				t.Errorf("%s from %s: %v", step, status, err)
			} else if !may {
				s.wantIllegal(err, status)
			}
			if o, err := s.seller.GetOrder(t.Context(), client.GetOrderParams{ID: id}); err == nil && (o.Data.Status == "placed" || o.Data.Status == "confirmed") {
				s.advance(id, "cancel") // the eggs are for the next
			}
		}
		if _, err := s.Pool.Exec(t.Context(), "update products set available = 10, sold = (select coalesce(sum(l.quantity), 0) from order_lines l join orders o on o.id = l.order_id and o.status <> 'cancelled' where l.product_id = products.id)"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.seller.GetOrder(t.Context(), client.GetOrderParams{ID: "order_zzzzzzzzzzz"})
	wantProblem(t, err, 404, "not_found")
}

func (s *stall) wantIllegal(err error, status string) {
	s.t.Helper()
	wantProblem(s.t, err, 409, "illegal_transition")
	var p *client.ProblemStatusCode
	if errors.As(err, &p) && (len(p.Response.Errors) != 1 || p.Response.Errors[0].Code != status) {
		s.t.Errorf("the answer does not name %s: %+v", status, p.Response)
	}
}

// Orders and cancellations of the same products at once, in every order of lines: nobody waits for ever, nothing is lost.
func TestStockIsConserved(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	var wg sync.WaitGroup
	var placed, short atomic.Int64
	for i := range 40 {
		wg.Go(func() {
			items := []client.PlaceOrderItem{item(s.plums, 1), item(s.eggs, 1)}
			if i%2 == 0 {
				items[0], items[1] = items[1], items[0]
			}
			o, err := retry(func() (client.Order, error) { return s.place(items...) })
			var p *client.ProblemStatusCode
			switch {
			case errors.As(err, &p) && p.Response.Code == "out_of_stock":
				short.Add(1)
			case err != nil:
				t.Error(err)
			case i%4 < 2:
				if _, err := retry(func() (*client.OrderResponse, error) { return s.move(s.buyer, o.ID, "cancel") }); err != nil {
					t.Error(err)
				}
			default:
				placed.Add(1)
			}
		})
	}
	wg.Wait()
	plums, eggs := s.stock(s.plums), s.stock(s.eggs)
	if plums != eggs || plums != 10-placed.Load() || short.Load() == 0 {
		t.Errorf("%d plums and %d eggs are left after %d orders; %d were refused", plums, eggs, placed.Load(), short.Load())
	}
}

// retry does again what a server at its limit turned away.
func retry[T any](do func() (T, error)) (T, error) {
	for {
		v, err := do()
		var p *client.ProblemStatusCode
		if !errors.As(err, &p) || p.StatusCode != http.StatusServiceUnavailable {
			return v, err
		}
		time.Sleep(time.Millisecond) // Retry-After says a second; a test has less patience than a client
	}
}

// After a block, and after the buyer's account is gone, both sides read the order as before, with a neutral name.
func TestOrdersOutliveTheirPeople(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	ctx := t.Context()
	id := s.mustPlace(item(s.plums, 2)).ID
	if _, err := s.buyer.BlockUser(ctx, client.BlockUserParams{ID: s.sells.User.ID}); err != nil {
		t.Fatal(err)
	}
	read := func(c *client.Client, name string) client.Order {
		t.Helper()
		o, err := c.GetOrder(ctx, client.GetOrderParams{ID: id})
		if err != nil || o.Data.Buyer.DisplayName != name || o.Data.Farm.Name != "Hill Orchard" || len(o.Data.Lines) != 1 {
			t.Fatalf("%+v, %v; want the buyer to be %s", o, err, name)
		}
		return o.Data
	}
	if o := read(s.seller, "Somebody"); !o.Buyer.ID.Null || !o.Buyer.Handle.Null {
		t.Errorf("%+v", o.Buyer)
	}
	read(s.buyer, "BEN")
	if got := told(t, s.seller); got != "placed" {
		t.Errorf("after the block the farm is told %q", got)
	}
	s.advance(id, "confirm")
	if got := told(t, s.buyer); got != "confirmed" {
		t.Errorf("after the block the buyer is told %q", got)
	}
	list, err := s.seller.ListFarmOrders(ctx, client.ListFarmOrdersParams{ID: s.farm})
	if err != nil || len(list.Data) != 1 || list.Data[0].Buyer.DisplayName != "Somebody" {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := s.Pool.Exec(ctx, "delete from users where handle = 'ben'"); err != nil {
		t.Fatal(err)
	}
	if o := s.advance(id, "ready", "complete"); o.Buyer.DisplayName != "Somebody" || o.Payment.Status != "paid" || len(o.Events) != 4 {
		t.Errorf("%+v", o)
	}
	_, err = s.place(item(s.plums, 1))
	wantProblem(t, err, 401, "account_gone")
}

// One key is one order, however often, however written and however many at once it is sent.
func TestOrderKeys(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	first, err := s.placeAs(s.buyer, "k", item(s.plums, 2), item(s.eggs, 1))
	if err != nil || first.IdempotentReplayed {
		t.Fatal(first, err)
	}
	again, err := s.placeAs(s.buyer, "k", item(s.eggs, 1), item(s.plums, 1), item(s.plums, 1))
	if err != nil || !again.IdempotentReplayed || again.Response.Data.ID != first.Response.Data.ID || s.stock(s.plums) != 8 {
		t.Errorf("%+v, %v", again, err)
	}
	for _, items := range [][]client.PlaceOrderItem{{item(s.plums, 2)}, {item(s.plums, 2), item(s.eggs, 2)}, nil} {
		_, err := s.placeAs(s.buyer, "k", items...)
		wantProblem(t, err, 422, "idempotency_key_reused")
	}
	if mine, err := s.placeAs(s.seller, "k", item(s.plums, 2), item(s.eggs, 1)); err != nil || mine.IdempotentReplayed {
		t.Errorf("a key of somebody else's: %+v, %v", mine, err)
	}
	_, err = s.placeAs(s.buyer, "refused", item(s.plums, 7))
	wantProblem(t, err, 409, "out_of_stock")
	if ok, err := s.placeAs(s.buyer, "refused", item(s.plums, 1)); err != nil || ok.IdempotentReplayed {
		t.Errorf("a refused order used its key up: %+v, %v", ok, err)
	}
	var wg sync.WaitGroup
	var replayed atomic.Int64
	ids := make(chan client.OrderId, 20)
	for range cap(ids) {
		wg.Go(func() {
			res, err := retry(func() (*client.OrderResponseHeaders, error) { return s.placeAs(s.buyer, "many", item(s.eggs, 1)) })
			if err != nil {
				t.Error(err)
				return
			}
			if res.IdempotentReplayed {
				replayed.Add(1)
			}
			ids <- res.Response.Data.ID
		})
	}
	wg.Wait()
	close(ids)
	one := <-ids
	for id := range ids {
		if id != one {
			t.Errorf("one key made %s and %s", one, id)
		}
	}
	if replayed.Load() != 19 || s.stock(s.eggs) != 7 {
		t.Errorf("%d of 20 were replayed; %d eggs left", replayed.Load(), s.stock(s.eggs))
	}
	s.wantMetric(`idempotency_replays_total{kind="order"} 20`)
	s.rejectsBadKeys()
}

func (s *stall) rejectsBadKeys() {
	s.t.Helper()
	body := fmt.Sprintf(`{"farm":%q,"items":[{"product":%q,"quantity":1}]}`, s.farm, s.plums.ID)
	for key, code := range map[string]string{"": "idempotency_key_required", "a b": "bad_idempotency_key", "ä": "bad_idempotency_key", strings.Repeat("k", 256): "bad_idempotency_key"} {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/api/v1/orders", strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.buys.AccessToken)
		req.Header.Set("Content-Type", "application/json")
		if key != "" {
			req.Header.Set("Idempotency-Key", key)
		}
		res, text := do(s.t, s.Env, req)
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(text, `"`+code+`"`) || !strings.Contains(text, "header.Idempotency-Key") {
			s.t.Errorf("key %q: %d %s", key, res.StatusCode, text)
		}
	}
}

// The second of two requests with one key waits for the first: it gets the order, or is told after two seconds to wait on.
func TestOrderKeyUnderWay(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	ctx := t.Context()
	hold := s.begin("select 1 from products for update")
	answers := make(chan *client.OrderResponseHeaders, 2)
	for range 2 {
		go func() {
			res, err := s.placeAs(s.buyer, "k", item(s.plums, 1))
			if err != nil {
				t.Error(err)
			}
			answers <- res
		}()
	}
	s.waiting(2)
	if err := hold.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	a, b := <-answers, <-answers
	if a == nil || b == nil {
		t.FailNow()
	}
	if a.Response.Data.ID != b.Response.Data.ID || a.IdempotentReplayed == b.IdempotentReplayed || s.stock(s.plums) != 9 {
		t.Errorf("%+v and %+v", a, b)
	}
	hold = s.begin(`insert into orders (buyer_id, farm_id, status, currency, total, idempotency_key, request_hash)
		select u.id, f.id, 'placed', 'EUR', 0, 'slow', decode(repeat('00', 32), 'hex') from users u, farms f where u.handle = 'ben'`)
	_, err := s.placeAs(s.buyer, "slow", item(s.plums, 1))
	wantProblem(t, err, 409, "idempotency_in_progress")
	if err := hold.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if res, err := s.placeAs(s.buyer, "slow", item(s.plums, 1)); err != nil || res.IdempotentReplayed {
		t.Errorf("after the first has failed: %+v, %v", res, err)
	}
}

// begin opens a transaction beside the server that has done something.
func (s *stall) begin(sql string) pgx.Tx {
	s.t.Helper()
	tx, err := s.Pool.Begin(s.t.Context())
	if err == nil {
		_, err = tx.Exec(s.t.Context(), sql)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return tx
}

// waiting returns when n sessions of this database wait for a lock.
func (s *stall) waiting(n int) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; {
		var got int
		err := s.Pool.QueryRow(s.t.Context(), `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).Scan(&got)
		if err == nil && got >= n {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d sessions wait, %v; want %d", got, err, n)
		}
	}
}

// What no order, product or member can be is refused before it reaches the database, and never as a 500.
func TestBadMarketInput(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	farm, plums := "/api/v1/farms/"+string(s.farm), "/api/v1/products/"+string(s.plums.ID)
	order := func(items string) string { return fmt.Sprintf(`{"farm":%q,"items":%s}`, s.farm, items) }
	one := fmt.Sprintf(`{"product":%q,"quantity":1}`, s.plums.ID)
	for _, in := range []struct {
		method, path, body, code string
		status                   int
	}{
		{"POST", "/api/v1/orders", order(`[]`), "invalid_input", 400},
		{"POST", "/api/v1/orders", order(`null`), "invalid_input", 400},
		{"POST", "/api/v1/orders", order(`[` + strings.Repeat(one+",", 50) + one + `]`), "invalid_input", 400},
		{"POST", "/api/v1/orders", order(strings.Replace(`[`+one+`]`, ":1}", ":0}", 1)), "invalid_input", 400},
		{"POST", "/api/v1/orders", order(strings.Replace(`[`+one+`]`, ":1}", ":-1}", 1)), "invalid_input", 400},
		{"POST", "/api/v1/orders", order(strings.Replace(`[`+one+`]`, ":1}", ":1001}", 1)), "invalid_input", 400},
		{"POST", "/api/v1/orders", order(strings.Replace(`[`+one+`]`, ":1}", ":1.5}", 1)), "invalid_input", 400},
		{"POST", "/api/v1/orders", order(strings.Replace(`[`+one+`]`, ":1}", ":1e30}", 1)), "invalid_input", 400},
		{"POST", "/api/v1/orders", `{"farm":"user_zzzzzzzzzzz"}`, "invalid_input", 400},
		{"POST", "/api/v1/orders", fmt.Sprintf(`{"farm":%q,"items":[%s],"note":"a\u0000b"}`, s.farm, one), "invalid_input", 400},
		{"POST", "/api/v1/orders", fmt.Sprintf(`{"farm":%q,"items":[%s],"price":1}`, s.farm, one), "invalid_input", 400},
		{"POST", farm + "/products", `{"name":"Plums","category":"Fruit!","price":1,"unit":"kg"}`, "invalid_input", 400},
		{"POST", farm + "/products", `{"name":"Plums","category":"fruit","price":-1,"unit":"kg"}`, "invalid_input", 400},
		{"POST", farm + "/products", `{"name":"Plums","category":"fruit","price":1000000001,"unit":"kg"}`, "invalid_input", 400},
		{"POST", farm + "/products", `{"name":"Plums","category":"fruit","price":1,"unit":"\n"}`, "invalid_input", 400},
		{"PATCH", plums, `{"available":7}`, "invalid_input", 400},
		{"PATCH", plums, `{"currency":"USD"}`, "invalid_input", 400},
		{"PUT", plums + "/stock", `{"available":7}`, "invalid_input", 400},
		{"PUT", plums + "/stock", `{"available":-7,"expected":10}`, "invalid_input", 400},
		{"POST", plums + "/stock", `{"change":99999999999999999999}`, "invalid_input", 400},
		{"PUT", "/api/v1/cart/items/" + string(s.plums.ID), `{"quantity":1001}`, "invalid_input", 400},
		{"PUT", farm + "/members/" + string(s.buys.User.ID), `{"role":"admin"}`, "invalid_input", 400},
		{"PUT", farm + "/members/42", `{"role":"member"}`, "invalid_input", 400},
		{"GET", farm + "/orders?status=lost", "", "invalid_input", 400},
		{"POST", "/api/v1/farms", `{"name":"Farm","currency":"eur"}`, "invalid_input", 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), in.method, s.URL+in.path, strings.NewReader(in.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.sells.AccessToken)
		req.Header.Set("Content-Type", "application/json")
		if in.path == "/api/v1/orders" {
			req.Header.Set("Idempotency-Key", "bad")
		}
		if res, text := do(t, s.Env, req); res.StatusCode != in.status || !strings.Contains(text, `"`+in.code+`"`) {
			t.Errorf("%s %s %.80s: %d %s; want %d %s", in.method, in.path, in.body, res.StatusCode, text, in.status, in.code)
		}
	}
	if rows(t, s.Env, "orders") != 0 || s.stock(s.plums) != 10 {
		t.Error("bad input changed something")
	}
}
