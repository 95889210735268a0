package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// balancer sends requests to the servers that are ready, in turn, as HAProxy with health checks would: it asks each for
// /api/ready, keeps connections, and retries nothing but a dial that failed. It is an http.RoundTripper.
type balancer struct {
	t    testing.TB
	stop chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	next  int
	nodes []*node
}

// node is one server behind a balancer.
type node struct {
	addr  string
	ready bool
	idle  []*upstream
}

type upstream struct {
	net.Conn
	r *bufio.Reader
}

const (
	probeEvery   = 50 * time.Millisecond
	probeTimeout = 2 * time.Second
)

// errNoServer is what a client sees as 503.
var errNoServer = errors.New("no server is ready")

func newBalancer(t testing.TB) *balancer {
	b := &balancer{t: t, stop: make(chan struct{})}
	t.Cleanup(func() {
		close(b.stop)
		b.wg.Wait()
	})
	return b
}

// add brings a server in once it is ready, and returns then.
func (b *balancer) add(r *replica) {
	b.t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		b.t.Fatal(err)
	}
	n := &node{addr: u.Host}
	b.mu.Lock()
	b.nodes = append(b.nodes, n)
	b.mu.Unlock()
	ready := make(chan struct{})
	b.wg.Go(func() { b.probe(n, ready) })
	select {
	case <-ready:
	case <-time.After(time.Minute):
		b.t.Fatalf("never ready: %s", r.log)
	}
}

// probe follows a server's readiness until it is gone.
func (b *balancer) probe(n *node, ready chan struct{}) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: probeTimeout}
	once := sync.OnceFunc(func() { close(ready) })
	for {
		res, err := c.Get("http://" + n.addr + "/api/ready")
		ok := err == nil && res.StatusCode == http.StatusOK
		if err == nil {
			_ = res.Body.Close()
		}
		b.mark(n, ok)
		if ok {
			once()
		}
		if isRefused(err) {
			b.remove(n)
			return
		}
		select {
		case <-b.stop:
			return
		case <-time.After(probeEvery):
		}
	}
}

func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (b *balancer) mark(n *node, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n.ready = ready
}

func (b *balancer) remove(n *node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range n.idle {
		_ = c.Close()
	}
	b.nodes = slices.DeleteFunc(b.nodes, func(o *node) bool { return o == n })
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(req *http.Request) (*http.Response, error) {
	n, c, err := b.connect()
	if err != nil {
		return nil, err
	}
	res, err := exchange(c, req)
	if err != nil || res.Close {
		_ = c.Close()
		return res, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n.idle = append(n.idle, c)
	return res, nil
}

// connect takes an idle connection of the next server that is ready, or opens one. A server that refuses is not ready.
func (b *balancer) connect() (*node, *upstream, error) {
	for {
		n, c := b.pick()
		if n == nil || c != nil {
			return n, c, b.noServer(n)
		}
		conn, err := net.DialTimeout("tcp", n.addr, probeTimeout)
		if err == nil {
			return n, &upstream{conn, bufio.NewReader(conn)}, nil
		}
		b.mark(n, false)
	}
}

func (b *balancer) noServer(n *node) error {
	if n == nil {
		return errNoServer
	}
	return nil
}

func (b *balancer) pick() (*node, *upstream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.nodes {
		b.next++
		n := b.nodes[b.next%len(b.nodes)]
		if !n.ready {
			continue
		}
		if last := len(n.idle) - 1; last >= 0 {
			c := n.idle[last]
			n.idle = n.idle[:last]
			return n, c
		}
		return n, nil
	}
	return nil, nil
}

// exchange is one request on one connection, with no second try of any kind.
func exchange(c *upstream, req *http.Request) (*http.Response, error) {
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if err := req.Write(c); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(c.r, req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, err
}
