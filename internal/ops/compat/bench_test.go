package compat

import (
	"testing"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// BenchmarkPlan prepares and plans one statement of a join on a warm session.
func BenchmarkPlan(b *testing.B) {
	conn := open(b, pgtest.New(b, shopTemplate()))
	run(b, conn, "set plan_cache_mode = force_generic_plan")
	i := 0
	for b.Loop() {
		i++
		if _, err := plan(b.Context(), conn, prepared(i), "select p.id, p.name, f.name from product p join farm f on f.id = p.farm_id where p.price < $1"); err != nil {
			b.Fatal(err)
		}
	}
}
