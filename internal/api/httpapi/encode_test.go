package httpapi

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-faster/jx"

	"github.com/platctl/platctl/internal/api/openapi/oas"
)

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

func page() *oas.ProductListResponse {
	res := &oas.ProductListResponse{Success: oas.SuccessTrue, Data: make([]oas.Product, 50)}
	for i := range res.Data {
		res.Data[i] = oas.Product{
			ID: "prod_zzzzzzzzzzz", Name: "Cox apples", Description: strings.Repeat("Picked the day before. ", 6), Category: "fruit",
			Currency: "EUR", Unit: "kg", Farm: oas.Farm{ID: "farm_zzzzzzzzzzz", Name: "Hill Orchard"}, CreatedAt: time.Now(),
		}
	}
	return res
}

// Trap: the generated code encodes into new(jx.Encoder) for every answer. Both ways in one run: ours leaves less than a
// tenth of the garbage.
func TestListsLeaveLittleGarbage(t *testing.T) {
	v := page()
	generated := garbage(func() {
		e := new(jx.Encoder)
		v.Encode(e)
		_, _ = e.WriteTo(&discard{})
	})
	w := &discard{h: http.Header{}}
	ours := garbage(func() { _ = writeJSON(w, v) })
	t.Logf("bytes of garbage for a page: generated %d, ours %d", generated, ours)
	if ours*10 > generated {
		t.Errorf("ours leaves %d bytes, the generated way %d", ours, generated)
	}
}

// garbage returns the bytes that one call allocates, on average. The test that uses it must not run in parallel.
func garbage(f func()) uint64 {
	const runs = 100
	var before, after runtime.MemStats
	f() // fills the pools
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}
