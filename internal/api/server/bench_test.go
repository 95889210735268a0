package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
)

// bareProduct is what a handler written by hand would scan and encode: the same columns and names as the API's.
type bareProduct struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Category    string    `json:"category"`
	Price       int64     `json:"price"`
	Currency    string    `json:"currency"`
	Unit        string    `json:"unit"`
	Available   int64     `json:"available"`
	CreatedAt   time.Time `json:"createdAt"`
	FarmID      int64     `json:"farmId"`
	FarmName    string    `json:"farmName"`
}

const bareSQL = `select p.id, p.name, p.description, p.category, p.price, p.currency, p.unit, p.available, p.created_at,
	f.id, f.name from products p join farms f on f.id = p.farm_id where p.archived_at is null order by p.id desc limit $1 offset $2`

// bare is net/http, pgx and encoding/json with the same two queries and rows, and nothing else.
func bare(env *apitest.Env) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rows, err := env.Pool.Query(r.Context(), bareSQL, 20, 0)
		if err != nil {
			http.Error(w, "query", http.StatusInternalServerError)
			return
		}
		defer rows.Close()
		list := make([]bareProduct, 0, 20)
		for rows.Next() {
			var p bareProduct
			if err := rows.Scan(&p.ID, &p.Name, &p.Description, &p.Category, &p.Price, &p.Currency, &p.Unit, &p.Available,
				&p.CreatedAt, &p.FarmID, &p.FarmName); err != nil {
				http.Error(w, "scan", http.StatusInternalServerError)
				return
			}
			list = append(list, p)
		}
		var total int64
		if err := env.Pool.QueryRow(r.Context(), "select count(*) from products where archived_at is null").Scan(&total); err != nil {
			http.Error(w, "count", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"success": true, "data": list, "meta": map[string]int64{"total": total}})
	})
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What the whole chain (trace ids, metrics, logs, limits, validation, envelope) costs over a handler that does nothing but
// the work, with nothing kept: CPU per request of this process, which holds client and server in both cases, measured in turns in one run.
func BenchmarkListAgainstBareHandler(b *testing.B) {
	env := apitest.New(b, uncached)
	if _, err := seedDemo(b, env); err != nil {
		b.Fatal(err)
	}
	full := httptest.NewServer(env.Server.Handler())
	defer full.Close()
	plain := httptest.NewServer(bare(env))
	defer plain.Close()
	client := &http.Client{}
	turn := func(url string, n int) time.Duration {
		start := cpu(b)
		for range n {
			res, err := client.Get(url)
			if err != nil || res.StatusCode != http.StatusOK {
				b.Fatal(res, err)
			}
			var discard [4096]byte
			for err == nil {
				_, err = res.Body.Read(discard[:])
			}
			_ = res.Body.Close()
		}
		return cpu(b) - start
	}
	const per = 200
	turn(full.URL+"/api/v1/products?limit=20", per)
	turn(plain.URL, per)
	var ours, theirs time.Duration
	n := 0
	for b.Loop() {
		ours += turn(full.URL+"/api/v1/products?limit=20", per)
		theirs += turn(plain.URL, per)
		n += per
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(n), "µs-cpu/full")
	b.ReportMetric(float64(theirs.Microseconds())/float64(n), "µs-cpu/bare")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}
