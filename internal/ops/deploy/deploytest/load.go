package deploytest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Load sends requests to Addr on a fixed schedule: GET and POST without an idempotency key in turn, three of four on
// kept connections, the fourth on one of its own.
type Load struct {
	Addr string
	Rate int // requests a second

	stop chan struct{}
	done chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	idle   []*conn
	report Report
}

// Report is what the clients saw.
type Report struct {
	Sent     int
	Failed   []string       // what went wrong, one entry a request
	Versions map[string]int // answers by release
	Posts    []string       // ids of the POSTs that were answered with 200
	MaxGap   time.Duration  // longest time between two good answers
	last     time.Time
}

type conn struct {
	net.Conn
	r *bufio.Reader
}

// Start begins sending.
func (l *Load) Start() {
	l.stop, l.done = make(chan struct{}), make(chan struct{})
	l.report.Versions = map[string]int{}
	go l.schedule()
}

// Stop ends the schedule, waits for the requests under way and returns what was seen.
func (l *Load) Stop() Report {
	close(l.stop)
	<-l.done
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.idle {
		c.Close()
	}
	return l.report
}

// Answers returns how many good answers a release gave so far.
func (l *Load) Answers(version string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report.Versions[version]
}

func (l *Load) schedule() {
	defer close(l.done)
	tick := time.NewTicker(time.Second / time.Duration(l.Rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.wg.Go(func() { l.send(n) })
		}
	}
}

func (l *Load) send(n int) {
	method, body := "GET", ""
	if n%2 == 0 {
		method, body = "POST", "order"
	}
	id := fmt.Sprintf("%s-%d", strings.ToLower(method), n)
	version, err := l.exchange(method, id, body, n%4 == 3 || n%8 == 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.report
	r.Sent++
	if err != nil {
		r.Failed = append(r.Failed, id+": "+err.Error())
		return
	}
	now := time.Now()
	if !r.last.IsZero() {
		r.MaxGap = max(r.MaxGap, now.Sub(r.last))
	}
	r.last = now
	r.Versions[version]++
	if method == "POST" {
		r.Posts = append(r.Posts, id)
	}
}

// exchange is one request on one connection. There is no second try of any kind.
func (l *Load) exchange(method, id, body string, fresh bool) (string, error) {
	c, err := l.conn(fresh)
	if err != nil {
		return "", err
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	_, err = fmt.Fprintf(c, "%s /work?id=%s HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n%s", method, id, len(body), body)
	if err != nil {
		c.Close()
		return "", err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.Close()
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.Close || fresh {
		c.Close()
	} else {
		l.mu.Lock()
		l.idle = append(l.idle, c)
		l.mu.Unlock()
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return string(text), err
}

func (l *Load) conn(fresh bool) (*conn, error) {
	l.mu.Lock()
	if n := len(l.idle); n > 0 && !fresh {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		return c, nil
	}
	l.mu.Unlock()
	nc, err := net.DialTimeout("tcp", l.Addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: nc, r: bufio.NewReader(nc)}, nil
}

// Once sends one request and returns which release answered.
func (l *Load) Once() (string, error) { return l.exchange("GET", "once", "", true) }
