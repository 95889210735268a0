package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/breaker"
)

// check returns one check of /api/ready, and the status of the whole answer.
func check(t *testing.T, env *apitest.Env, name string) (int, client.Check) {
	t.Helper()
	code, body := get(t, env, "/api/ready")
	var answer struct{ Data client.Readiness }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Data.Ready != (code == http.StatusOK) {
		t.Errorf("status %d says otherwise than the body: %s", code, body)
	}
	for _, c := range answer.Data.Checks {
		if c.Name == name {
			return code, c
		}
	}
	t.Fatalf("no check %s: %s", name, body)
	return 0, client.Check{}
}

// Behind is not ready and says what to do; what is between is ready; ahead, as a rollback leaves it, is ready with a warning.
func TestReadiness(t *testing.T) {
	t.Parallel()
	var schema atomic.Int64
	schema.Store(2)
	env := apitest.New(t, func(o *server.Options) {
		o.MinSchema, o.BuiltSchema = 3, 4
		o.SchemaVersion = func(context.Context) (int64, error) { return schema.Load(), nil }
	})
	code, c := check(t, env, "database")
	if code != http.StatusServiceUnavailable || c.Status != client.CheckStatusFailing || !strings.Contains(c.Detail.Value, "run platctl migrate up") {
		t.Errorf("behind: %d %+v", code, c)
	}
	if code, body := get(t, env, "/api/health"); code != http.StatusOK {
		t.Errorf("health while not ready: %d %s", code, body)
	}
	for version, want := range map[int64]client.CheckStatus{4: client.CheckStatusOk, 5: client.CheckStatusWarning} {
		schema.Store(version)
		for end := time.Now().Add(30 * time.Second); ; {
			code, c = check(t, env, "database")
			if code == http.StatusOK && c.Status == want {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("schema %d: %d %+v", version, code, c)
			}
		}
	}
}

// However many probes come, the database is asked once a second.
func TestProbesAreNoLoad(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	env := apitest.New(t, func(o *server.Options) {
		o.SchemaVersion = func(context.Context) (int64, error) { asked.Add(1); return o.MinSchema, nil }
	})
	start := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				get(t, env, "/api/ready")
			}
		})
	}
	wg.Wait()
	if most := 1 + int64(time.Since(start)/time.Second); asked.Load() > most || asked.Load() == 0 {
		t.Errorf("200 probes asked %d times in %s", asked.Load(), time.Since(start))
	}
}

// An outside service that fails is shown, in the answer and as a metric, and the server stays ready.
func TestOutsideServiceDegrades(t *testing.T) {
	t.Parallel()
	mail := breaker.New("mail", breaker.After(1), breaker.Pause(time.Hour))
	env := apitest.New(t, func(o *server.Options) { o.Outside = []server.Outside{mail, breaker.New("storage")} })
	if code, c := check(t, env, "mail"); code != http.StatusOK || c.Status != client.CheckStatusOk {
		t.Errorf("it works: %d %+v", code, c)
	}
	_ = mail.Do(t.Context(), func(context.Context) error { return errors.New("dial tcp 10.0.0.7:25: connection refused") })
	code, c := check(t, env, "mail")
	if code != http.StatusOK || c.Status != client.CheckStatusDegraded || !strings.Contains(c.Detail.Value, "is failing") || strings.Contains(c.Detail.Value, "10.0.0.7") {
		t.Errorf("it fails: %d %+v", code, c)
	}
	if code, c := check(t, env, "storage"); code != http.StatusOK || c.Status != client.CheckStatusOk {
		t.Errorf("the other one: %d %+v", code, c)
	}
	if text := metrics(t, env); !strings.Contains(text, `circuit_breaker_state{service="mail"} 2`) || !strings.Contains(text, `circuit_breaker_state{service="storage"} 0`) {
		t.Errorf("metrics: %s", text)
	}
}
