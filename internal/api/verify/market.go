package verify

// marketChecks are the rules about stock, orders and money. Only what is derived is repaired: the rest is a record, and a
// person has to find out which part of it is true.
func marketChecks() []check {
	const record = "a record of commerce; find out which side is true, and change the other by hand"
	out := []check{
		{name: "stock", rule: "sold is what orders have that are not cancelled", find: text("stock_find"),
			repair: []statement{{text("stock_lock"), 1}, {text("stock_repair"), 1}},
			hint:   "sold is mended; where it drifted, available may have too: count the shelf and set the stock"},
		{name: "order_totals", rule: "an order costs what its lines cost", find: text("order_totals_find"), hint: record},
		{name: "order_lines", rule: "an order has products of one farm", find: text("order_lines_find"), hint: record},
		{name: "order_history", rule: "an order is where its steps lead", find: text("order_history_find"), hint: record},
		{name: "order_payments", rule: "an order's payment is of its total, and as far as the order is", find: text("order_payments_find"), hint: record},
		{name: "payment_intents", rule: "payments are resolved within ten minutes", find: text("payment_intents_find"),
			hint: "a running `platctl serve` resolves them each minute; look for \"a payment stays open\" in its log"},
	}
	for i := range out {
		out[i].needs = "orders"
	}
	return out
}
