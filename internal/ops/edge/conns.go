package edge

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// conns knows which client connections have a request under way.
type conns struct {
	mu   sync.Mutex
	busy map[net.Conn]busy
}

type busy struct {
	state http.ConnState
	since time.Time
}

func newConns() *conns { return &conns{busy: map[net.Conn]busy{}} }

// track is an http.Server.ConnState hook.
func (c *conns) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew, http.StateActive:
		c.busy[conn] = busy{state: state, since: time.Now()}
	default:
		delete(c.busy, conn)
	}
}

// newConnPatience is how long a connection that was just opened may take to send its first request during a drain.
const newConnPatience = time.Second

// quiet returns 0 once no connection has a request under way, or how many have when ctx ends.
func (c *conns) quiet(ctx context.Context) int {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		n := c.count()
		if n == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return n
		case <-tick.C:
		}
	}
}

func (c *conns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, b := range c.busy {
		if b.state == http.StateActive || time.Since(b.since) < newConnPatience {
			n++
		}
	}
	return n
}

// buffers is the httputil.BufferPool of all requests.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{pool: sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}}
}

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte { return *b.pool.Get().(*[]byte) }

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
