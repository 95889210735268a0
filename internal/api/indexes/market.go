package indexes

// marketClasses are the callers of the lists of the market: what most ask for, and what makes a list walk far.
func marketClasses() map[string][]class {
	const (
		mostFarm     = "(select farm_id from products where archived_at is null group by 1 order by count(*) desc, 1 limit 1)"
		mostCategory = "(select category from products where archived_at is null group by 1 order by count(*) desc, 1 limit 1)"
		fewCategory  = "(select category from products where archived_at is null group by 1 order by count(*), 1 limit 1)"
		mostBuyer    = "(select buyer_id from orders group by 1 order by count(*) desc, 1 limit 1)"
		mostSeller   = "(select farm_id from orders group by 1 order by count(*) desc, 1 limit 1)"
		mostMember   = "(select user_id from farm_members group by 1 order by count(*) desc, 1 limit 1)"
		fullestCart  = "(select user_id from cart_items group by 1 order by count(*) desc, 1 limit 1)"
	)
	filter := func(name string, with ...string) class {
		c := class{name: name, values: map[string]string{
			"min_price": "0", "max_price": "9223372036854775807", "min_available": "0", "farm_id": "0", "category": "''",
		}}
		for i := 0; i < len(with); i += 2 {
			c.values[with[i]] = with[i+1]
		}
		return c
	}
	return map[string][]class{
		"ListProducts": {
			filter("first page"), filter("page 50", "skip", "1000"), filter("none that dear, in stock", "min_price", "999999999", "min_available", "1"),
		},
		"ListProductsInCategory": {filter("most", "category", mostCategory), filter("fewest", "category", fewCategory),
			filter("none that dear", "category", mostCategory, "min_price", "999999999")},
		"ListProductsOfFarm": {filter("most", "farm_id", mostFarm), filter("none that dear", "farm_id", mostFarm, "min_price", "999999999")},
		"ListProductsMatching": {filter("common word", "words", "'apples:*'"), filter("rare word", "words", "'medlar:*'"),
			filter("of a farm", "words", "'apples:*'", "farm_id", mostFarm)},
		"CountProducts":          {filter("all")},
		"CountProductsMatching":  {filter("common word", "words", "'apples:*'")},
		"ListCart":               {one("fullest", "viewer_id", fullestCart)},
		"ListOrders":             {one("most", "viewer_id", mostBuyer)},
		"ListFarmOrders":         {one("most", "farm_id", mostSeller)},
		"ListFarmOrdersByStatus": {filter("most", "farm_id", mostSeller, "status", "'completed'"), filter("fewest", "farm_id", mostSeller, "status", "'placed'")},
		"ListMyFarms":            {one("most", "viewer_id", mostMember)},
		"ListFarmMembers":        {one("most", "farm_id", "(select farm_id from farm_members group by 1 order by count(*) desc, 1 limit 1)")},
	}
}
