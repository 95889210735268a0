package server_test

import (
	"bufio"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/base/manifest"
)

// bareProduct is what a handler written by hand would scan and encode: the same columns and names as the API's.
type bareProduct struct {
	ID          int64           `json:"id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Category    string          `json:"category"`
	Price       int64           `json:"price"`
	Currency    string          `json:"currency"`
	Unit        string          `json:"unit"`
	Available   int64           `json:"available"`
	CreatedAt   time.Time       `json:"createdAt"`
	FarmID      int64           `json:"farmId"`
	FarmName    string          `json:"farmName"`
	Pictures    json.RawMessage `json:"pictures,omitempty"`
}

// bare is net/http, pgx and encoding/json with the same query and rows as the first page of the catalogue, and nothing else.
func bare(b *testing.B, env *apitest.Env) http.Handler {
	query := contractSQL(b, "ListProducts")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rows, err := env.Pool.Query(r.Context(), query, int64(math.MaxInt64), int64(0), int64(math.MaxInt64), int64(0), int32(0), int32(21))
		if err != nil {
			http.Error(w, "query", http.StatusInternalServerError)
			return
		}
		defer rows.Close()
		list := make([]bareProduct, 0, 21)
		for rows.Next() {
			var p bareProduct
			if err := rows.Scan(&p.ID, &p.Name, &p.Description, &p.Category, &p.Price, &p.Currency, &p.Unit, &p.Available,
				&p.CreatedAt, &p.FarmID, &p.FarmName, &p.Pictures); err != nil {
				http.Error(w, "scan", http.StatusInternalServerError)
				return
			}
			list = append(list, p)
		}
		body, err := json.Marshal(map[string]any{"success": true, "data": list[:20], "meta": map[string]int64{"next": list[20].ID}})
		if err != nil || rows.Err() != nil {
			http.Error(w, "encode", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

// contractSQL returns the text of a named query, as the API sends it.
func contractSQL(b *testing.B, name string) string {
	b.Helper()
	c, err := manifest.ParseContract(postgres.Contract())
	if err != nil {
		b.Fatal(err)
	}
	for _, st := range c.Statements {
		if st.Name == name {
			return st.SQL
		}
	}
	b.Fatalf("there is no query %s", name)
	return ""
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// dialled is a client on one connection. net/http's costs as much as a bare handler, and would be in both figures.
type dialled struct {
	b    *testing.B
	conn net.Conn
	in   *bufio.Reader
	ask  []byte
}

func dial(b *testing.B, server *httptest.Server, path string, header ...string) *dialled {
	b.Helper()
	addr := server.Listener.Addr().String()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	head := append([]string{"GET " + path + " HTTP/1.1", "Host: " + addr}, header...)
	return &dialled{b: b, conn: conn, in: bufio.NewReader(conn), ask: []byte(strings.Join(head, "\r\n") + "\r\n\r\n")}
}

// get asks once and reads the answer, whose length has to be in its head.
func (d *dialled) get() {
	if _, err := d.conn.Write(d.ask); err != nil {
		d.b.Fatal(err)
	}
	length, first := 0, true
	for {
		line, err := d.in.ReadSlice('\n')
		if err != nil {
			d.b.Fatal(err)
		}
		if first && string(line) != "HTTP/1.1 200 OK\r\n" {
			d.b.Fatalf("%s", line)
		}
		first = false
		if len(line) == 2 {
			break
		}
		if rest, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	if n, err := d.in.Discard(length); err != nil || n < 1000 {
		d.b.Fatalf("%d bytes, %v; want a page", n, err)
	}
}

// What the whole chain (trace ids, metrics, logs, limits, validation, envelope, entity tag) costs over a handler that does nothing
// but the work, with nothing kept: CPU per request of this process, in turns in one run.
func BenchmarkListAgainstBareHandler(b *testing.B) {
	env := apitest.New(b, uncached)
	if _, err := seedDemo(b, env); err != nil {
		b.Fatal(err)
	}
	full := httptest.NewServer(env.Server.Handler())
	defer full.Close()
	plain := httptest.NewServer(bare(b, env))
	defer plain.Close()
	ours, theirs := dial(b, full, "/api/v1/products?limit=20"), dial(b, plain, "/")
	const per = 200
	turn := func(d *dialled) time.Duration {
		start := cpu(b)
		for range per {
			d.get()
		}
		return cpu(b) - start
	}
	turn(ours)
	turn(theirs)
	var a, z time.Duration
	n := 0
	for b.Loop() {
		a += turn(ours)
		z += turn(theirs)
		n += per
	}
	b.ReportMetric(float64(a.Microseconds())/float64(n), "µs-cpu/full")
	b.ReportMetric(float64(z.Microseconds())/float64(n), "µs-cpu/bare")
	b.ReportMetric(float64(a)/float64(z), "ratio")
}
