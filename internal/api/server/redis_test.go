package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/api/ratelimit/redistest"
	"github.com/platctl/platctl/internal/api/server"
)

// A Redis that is away degrades the server, which stays ready and answers everybody; when it is back nothing is degraded.
func TestRedisDegrades(t *testing.T) {
	t.Parallel()
	redis := redistest.New(t)
	env := apitest.New(t, enforce, func(o *server.Options) {
		shared, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: redis.Open(), Secret: o.IDKey, Log: o.Log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = shared.Close() })
		o.Limits.Accounts, o.Outside = shared, append(o.Outside, shared.Breaker)
	})
	becomes := func(want client.CheckStatus) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			code, c := check(t, env, "redis")
			if code != http.StatusOK {
				t.Fatalf("not ready: %d %+v", code, c)
			}
			if c.Status == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("redis is %+v, want %s", c, want)
			}
		}
	}
	becomes(client.CheckStatusOk)
	redis.Kill()
	becomes(client.CheckStatusDegraded)
	for range 20 {
		if code, body := get(t, env, "/api/v1/products?limit=1"); code != http.StatusOK {
			t.Errorf("without redis: %d %s", code, body)
		}
	}
	redis.Start()
	becomes(client.CheckStatusOk)
}
