package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/platctl/platctl/internal/api/mail/mailtest"
)

// collector is a service that takes spans, and knows what a server had logged when they came.
type collector struct {
	*httptest.Server
	mu   sync.Mutex
	log  func() string
	came []string
}

func newCollector(t *testing.T) *collector {
	c := &collector{log: func() string { return "" }}
	c.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.came = append(c.came, c.log())
	}))
	t.Cleanup(c.Close)
	return c
}

// SIGTERM takes a server down in one order, and every step ends before the next begins: a mail that is being handed over when the
// signal comes is sent before the feeds end, and the spans leave before the pools close.
func TestOrderOfStopping(t *testing.T) {
	t.Parallel()
	var once sync.Once
	handing, taken := make(chan struct{}), make(chan struct{})
	smtp := mailtest.New(t, mailtest.Options{Quirk: func(line string) string {
		if line == "." {
			once.Do(func() { close(handing) })
			<-taken
		}
		return ""
	}})
	spans := newCollector(t)
	s := newSite(t, "PLATCTL_SERVER_DRAIN_DELAY=100ms", "PLATCTL_AUTH_EMAIL_VERIFICATION=on", "PLATCTL_MAIL_FROM=market@example.org",
		"PLATCTL_MAIL_SMTP_URL=env:SMTP", "SMTP=smtp://"+smtp.Addr, "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL, "OTEL_BSP_SCHEDULE_DELAY=600000")
	r := s.start(t)
	spans.mu.Lock()
	spans.log = r.log.String
	spans.mu.Unlock()
	res, err := http.Post(r.url+"/api/v1/auth/signup", "application/json",
		strings.NewReader(`{"handle":"ana","displayName":"Ana","password":"correct horse","email":"ana@example.org"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("signup: %d\n%s", res.StatusCode, r.log)
	}
	<-handing
	r.terminate(t)
	until(t, r, "it waits for its jobs", func() bool { return slices.Contains(stepsOf(r), "jobs") })
	if steps := stepsOf(r); steps[len(steps)-1] != "jobs" {
		t.Errorf("a job runs, and it goes on: %v", steps)
	}
	close(taken)
	if err := <-r.ended; err != nil {
		t.Errorf("serve ended with %v\n%s", err, r.log)
	}
	if want := []string{"not ready", "drain", "shutdown", "jobs", "feeds", "outbox", "telemetry", "pools"}; !slices.Equal(stepsOf(r), want) {
		t.Errorf("it stopped in the order %q, want %q", stepsOf(r), want)
	}
	if log := r.log.String(); strings.Contains(log, `"level":"WARN"`) || strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("a step missed what an earlier one took away:\n%s", log)
	}
	if n := len(smtp.Received); n != 1 {
		t.Errorf("the mail arrived %d times\n%s", n, r.log)
	}
	spans.mu.Lock()
	defer spans.mu.Unlock()
	if len(spans.came) == 0 || strings.Contains(strings.Join(spans.came, ""), `"step":"pools"`) {
		t.Errorf("spans came %d times, or after the pools had closed", len(spans.came))
	}
}

func stepsOf(r *replica) (steps []string) {
	for _, m := range regexp.MustCompile(`"msg":"stopping","step":"([^"]*)"`).FindAllStringSubmatch(r.log.String(), -1) {
		steps = append(steps, m[1])
	}
	return steps
}
