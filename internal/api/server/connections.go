package server

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// connections knows which connections have a request under way or one that may be on the wire.
type connections struct {
	mu   sync.Mutex
	busy map[net.Conn]bool
	idle chan struct{} // closed and renewed each time busy becomes empty
}

func newConnections() *connections {
	return &connections{busy: map[net.Conn]bool{}, idle: make(chan struct{})}
}

// observe is an http.Server.ConnState hook.
func (c *connections) observe(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		c.busy[conn] = true
		return
	}
	delete(c.busy, conn)
	if len(c.busy) == 0 {
		close(c.idle)
		c.idle = make(chan struct{})
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.busy)
}

// wait returns when no connection is busy, or when ctx ends.
func (c *connections) wait(ctx context.Context) {
	for {
		c.mu.Lock()
		none, idle := len(c.busy) == 0, c.idle
		c.mu.Unlock()
		if none {
			return
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return
		}
	}
}
