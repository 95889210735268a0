package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// fetched is an answer as a client sees it.
type fetched struct {
	status int
	header http.Header
	body   string
}

// fetch sends a request with headers, name and value in turns.
func fetch(t testing.TB, env *apitest.Env, method, path string, headers ...string) fetched {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, env.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fetched{res.StatusCode, res.Header, string(body)}
}

// shop is a farm with one product.
func shop(t testing.TB, env *apitest.Env, handle string) (*client.Client, client.FarmId, client.ProductId) {
	t.Helper()
	_, c := env.Signup(handle)
	farm := farmOf(t, c, "Farm of "+handle)
	return c, farm, offer(t, c, farm, "Leeks", 100, 5).ID
}

func rename(t testing.TB, c *client.Client, id client.ProductId, name string) {
	t.Helper()
	if _, err := c.UpdateProduct(context.WithoutCancel(t.Context()), &client.UpdateProductRequest{Name: client.NewOptString(name)}, client.UpdateProductParams{ID: id}); err != nil {
		t.Fatal(err)
	}
}

// soon asks until an answer holds; it is told what came last otherwise.
func soon(t testing.TB, what string, holds func() (bool, string)) {
	t.Helper()
	for start := time.Now(); ; {
		ok, last := holds()
		if ok {
			return
		}
		if time.Since(start) > patience {
			t.Fatalf("%s: not after %s: %s", what, time.Since(start), last)
		}
		time.Sleep(time.Millisecond)
	}
}

// One server answers no request from before a write that it has acknowledged; another learns of it soon.
func TestWritesReachEveryReplica(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	here, there := apitest.On(t, url), apitest.On(t, url)
	c, farm, id := shop(t, here, "ana")
	paths := []string{"/api/v1/products/" + string(id), "/api/v1/products", "/api/v1/products?farm=" + string(farm), "/api/v1/products?q=leeks"}
	for i := range 20 {
		name := fmt.Sprintf("Leeks %d", i)
		rename(t, c, id, name)
		for _, p := range paths {
			if a := fetch(t, here, "GET", p); !strings.Contains(a.body, name+`"`) {
				t.Fatalf("%s is older than the write: %s", p, a.body)
			}
		}
		for _, p := range paths {
			soon(t, p+" on the other server", func() (bool, string) {
				a := fetch(t, there, "GET", p)
				return strings.Contains(a.body, name+`"`), a.body
			})
		}
	}
	if metric(t, there, `cache_requests_total{cache="getProduct",result="hit"}`) == "0" {
		t.Errorf("nothing was kept:\n%s", metrics(t, there))
	}
}
