package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/base/pg"
)

var soak = flag.Duration("soak", 5*time.Second, "how long TestSoak presses two servers; `make soak` does it for 10 minutes")

// Everything that people do, on two servers that share a database, for as long as -soak says. At rest afterwards the servers hold
// what they held at rest before, nothing has drifted, nothing failed and no error was logged.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := newSite(t, "PLATCTL_LOG_LEVEL=warn")
	pair := []*replica{s.start(t), s.start(t)}
	c := newCrowd(t, pair)
	c.press(*soak / 5) // pools and tables are as large as this load makes them
	before, connections := c.atRest(pair), s.connections(t)
	c.press(*soak)
	after := c.atRest(pair)
	now := s.connections(t)
	t.Logf("%d connections to the database before, %d after", connections, now)
	if now > len(pair)*mostConnections {
		t.Errorf("%d connections to the database, more than %d a server", now, mostConnections)
	}
	t.Logf("%d requests, of which %d were refused as they should be", c.sent.Load(), c.refused.Load())
	for i, b := range before {
		a := after[i]
		t.Logf("server %d at rest, before and after: %+v, %+v", i+1, b, a)
		// The pool opens connections when it needs them, a descriptor and two goroutines each at most, and closes them when it doesn't.
		if a.goroutines > b.goroutines+2*poolSize || a.files > b.files+poolSize {
			t.Errorf("server %d leaks: %+v before, %+v after", i+1, b, a)
		}
		if a.anonymousMB > 1.5*b.anonymousMB+32 {
			t.Errorf("server %d has grown from %.0f to %.0f MB", i+1, b.anonymousMB, a.anonymousMB)
		}
	}
	s.platctl(t, "db", "verify")
	for _, r := range pair {
		r.stop(t)
		if log := r.log.String(); strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("errors were logged:\n%s", log)
		}
	}
}

const crowdSize = 16

// poolSize is how many connections a server may have for requests. mostConnections is with the six for jobs, and those that listen.
const (
	poolSize        = 12
	mostConnections = poolSize + 6 + 4
)

// crowd is people who do everything that the API is for, and what they have made for each other.
type crowd struct {
	t             *testing.T
	people        []*person // the first one sells
	deeds         []deed    // each as often as its weight
	transport     *http.Transport
	sent, refused atomic.Int64

	farm   client.FarmId
	goods  []client.ProductId
	mu     sync.Mutex
	posts  []client.PostId
	orders []client.OrderId
}

// person is somebody who is logged in.
type person struct {
	*client.Client
	id          client.UserId
	url, handle string

	mu      sync.Mutex
	session client.Session
}

func (p *person) tokens() client.Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session
}

// Bearer implements the generated SecuritySource.
func (p *person) Bearer(context.Context, client.OperationName) (client.Bearer, error) {
	return client.Bearer{Token: p.tokens().AccessToken}, nil
}

func newCrowd(t *testing.T, servers []*replica) *crowd {
	t.Helper()
	c := &crowd{t: t, transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	for _, d := range c.everything() {
		for range d.weight {
			c.deeds = append(c.deeds, d)
		}
	}
	for i := range crowdSize {
		url := servers[i%len(servers)].url
		p := &person{url: url, handle: fmt.Sprintf("soak%d", i)}
		p.session = newSession(t, url, p.handle, c.web())
		p.id, p.Client = p.session.User.ID, clientOf(t, url, p, c.web())
		c.people = append(c.people, p)
	}
	c.openFarm()
	return c
}

func (c *crowd) web() *http.Client { return &http.Client{Transport: c.transport} }

func (c *crowd) openFarm() {
	c.t.Helper()
	seller := c.people[0]
	farm, err := seller.CreateFarm(c.t.Context(), &client.CreateFarmRequest{Name: "Soak Meadow"})
	if err != nil {
		c.t.Fatal(err)
	}
	c.farm = farm.Data.ID
	for i := range 10 {
		p, err := seller.CreateProduct(c.t.Context(), &client.CreateProductRequest{
			Name: fmt.Sprintf("Plums %d", i), Category: "fruit", Price: 100, Unit: "kg", Available: client.NewOptInt64(100),
		}, client.CreateProductParams{ID: c.farm})
		if err != nil {
			c.t.Fatal(err)
		}
		c.goods = append(c.goods, p.Data.ID)
	}
	if err := errors.Join(c.post(c.t.Context(), seller), c.order(c.t.Context(), c.people[1])); err != nil {
		c.t.Fatal(err)
	}
}

// press has everybody do something now and then, 100 times a second in all, whatever the answers take, for a while.
func (c *crowd) press(d time.Duration) {
	c.t.Helper()
	var wg sync.WaitGroup
	tick, end := time.NewTicker(time.Second/perSecond), time.After(d)
	defer tick.Stop()
	for {
		select {
		case <-end:
			wg.Wait()
			return
		case <-tick.C:
			wg.Go(c.somethingHappens)
		}
	}
}

func (c *crowd) somethingHappens() {
	do, who := c.deeds[rand.N(len(c.deeds))], c.people[rand.N(len(c.people))]
	c.sent.Add(1)
	err := do.run(context.Background(), who)
	var p *client.ProblemStatusCode
	switch {
	case err == nil:
	case errors.As(err, &p) && p.Response.Code == "hashing_saturated":
		c.refused.Add(1) // told to come back: on a busy machine logins are the first to wait
	case errors.As(err, &p) && (p.StatusCode == http.StatusNotFound || p.StatusCode == http.StatusConflict):
		c.refused.Add(1) // somebody was faster, or is blocked
	default:
		c.t.Errorf("%s: %v", do.name, err)
	}
}

// vitals is what a server holds.
type vitals struct {
	goroutines, files int
	anonymousMB       float64
}

// atRest waits until no server works on anything and returns what each holds.
func (c *crowd) atRest(servers []*replica) (out []vitals) {
	c.t.Helper()
	c.transport.CloseIdleConnections()
	for _, r := range servers {
		var text string
		until(c.t, r, "it rests", func() bool {
			text = metricsOf(c.t, r)
			return gauge(c.t, text, "http_server_active_requests") == 0 && gauge(c.t, text, "db_client_connections_used") == 0 &&
				gauge(c.t, text, "jobs_due") == 0 && gauge(c.t, text, "media_oldest_pending_seconds") == 0
		})
		out = append(out, vitals{
			goroutines: int(gauge(c.t, text, "go_goroutines")), files: int(gauge(c.t, text, "process_open_fds")),
			anonymousMB: statusKB(c.t, r.cmd.Process.Pid, "RssAnon") / 1024,
		})
	}
	return out
}

// connections counts the sessions on the site's database.
func (s site) connections(t *testing.T) (n int) {
	t.Helper()
	conn, err := pg.Connect(t.Context(), s.databaseURL(), "soak")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	const query = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (s site) databaseURL() string {
	i := slices.IndexFunc(s.env, func(e string) bool { return strings.HasPrefix(e, "PLATCTL_DATABASE_URL=") })
	return strings.TrimPrefix(s.env[i], "PLATCTL_DATABASE_URL=")
}

func gauge(t *testing.T, metrics, name string) float64 {
	t.Helper()
	for line := range strings.Lines(metrics) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
