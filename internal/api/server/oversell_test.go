package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
)

// `make oversell` asks for the whole proof; by itself the test is short.
var (
	oversellBuyers = flag.Int("oversell-buyers", 40, "how many buyers want the last unit")
	oversellRounds = flag.Int("oversell-rounds", 5, "how many last units there are, one after the other")
)

// The last unit, wanted by everybody at the same moment, is sold once in every round, on two servers.
func TestOversell(t *testing.T) {
	t.Parallel()
	s := newStall(t)
	servers := []string{s.URL, apitest.On(t, s.Pool.Config().ConnString()).URL}
	tokens := make([]string, *oversellBuyers)
	for i := range tokens {
		who, _ := s.Signup(fmt.Sprintf("buyer_%d", i))
		tokens[i] = who.AccessToken
	}
	if *oversellBuyers > 100 { // the spec's validator would cost more than the orders
		s.HTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *oversellBuyers}}
	}
	begin, refused := time.Now(), new(atomic.Int64)
	for round := range *oversellRounds {
		last := offer(t, s.seller, s.farm, fmt.Sprintf("The last of round %d", round), 250, 1)
		body := fmt.Sprintf(`{"farm":%q,"items":[{"product":%q,"quantity":1}]}`, s.farm, last.ID)
		var sold, short atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i, token := range tokens {
			wg.Go(func() {
				<-start
				switch code := s.insist(servers[i%2], token, fmt.Sprintf("round-%d", round), body, refused); code {
				case "":
					sold.Add(1)
				case "out_of_stock":
					short.Add(1)
				default:
					t.Errorf("round %d: %s", round, code)
				}
			})
		}
		close(start)
		wg.Wait()
		if sold.Load() != 1 || short.Load() != int64(len(tokens)-1) {
			t.Fatalf("round %d: the last unit was sold %d times, %d buyers were told that it is gone", round, sold.Load(), short.Load())
		}
	}
	var sold, left, orders int
	if err := s.Pool.QueryRow(t.Context(), `select sum(p.sold), sum(p.available), (select count(*) from orders) from products p
		where p.name like 'The last of%'`).Scan(&sold, &left, &orders); err != nil || sold != *oversellRounds || left != 0 || orders != sold {
		t.Errorf("%d sold in %d orders, %d left, %v; want %d sold", sold, orders, left, err, *oversellRounds)
	}
	t.Logf("%d buyers, %d rounds: %d sold in %s; %d requests were turned away at the limit and asked again", *oversellBuyers, *oversellRounds, sold,
		time.Since(begin).Round(time.Millisecond), refused.Load())
}

// insist orders until the server has decided: one at its limit says to come again, and the key makes that safe. It returns the
// code of the refusal, empty for an order.
func (s *stall) insist(url, token, key, body string, refused *atomic.Int64) string {
	for {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url+"/api/v1/orders", bytes.NewReader([]byte(body)))
		if err != nil {
			return err.Error()
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
		res, err := s.HTTP.Do(req)
		if err != nil {
			return err.Error()
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		var p struct{ Code string }
		switch {
		case err != nil:
			return err.Error()
		case res.StatusCode == http.StatusServiceUnavailable:
			refused.Add(1)
			time.Sleep(20 * time.Millisecond) // Retry-After says a second; a test has less patience than a client
		case res.StatusCode == http.StatusCreated:
			return ""
		case json.Unmarshal(text, &p) != nil || p.Code == "":
			return fmt.Sprintf("%d %s", res.StatusCode, text)
		default:
			return p.Code
		}
	}
}
