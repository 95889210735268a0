// Package connlimit keeps one address from taking every connection of a server.
//
// Invariants: a connection above the limit is closed as soon as it is accepted, before a byte of it is read; loopback and unix
// sockets are not limited, because proxies and tools of this machine come from there; memory grows with the connections that
// are open, never with the addresses that were seen.
package connlimit

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Limit is how many connections an address may have open at a time.
type Limit struct {
	max     int
	refused atomic.Uint64

	mu   sync.Mutex
	open map[netip.Addr]int
}

// New returns a Limit of n connections per IPv4 address or IPv6 /64 network; n below 1 is no limit.
func New(n int) *Limit { return &Limit{max: n, open: map[netip.Addr]int{}} }

// Refused is how many connections were closed because of the limit.
func (l *Limit) Refused() uint64 { return l.refused.Load() }

// Listen returns inner under the limit.
func (l *Limit) Listen(inner net.Listener) net.Listener { return listener{inner, l} }

type listener struct {
	net.Listener
	*Limit
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who, limited := l.peer(c)
		if !limited {
			return c, nil
		}
		if l.enter(who) {
			return &conn{Conn: c, leave: sync.OnceFunc(func() { l.leave(who) })}, nil
		}
		l.refused.Add(1)
		_ = c.Close()
	}
}

// peer returns whom a connection counts for. An IPv6 customer has a whole /64.
func (l *Limit) peer(c net.Conn) (netip.Addr, bool) {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok || l.max < 1 {
		return netip.Addr{}, false
	}
	addr := tcp.AddrPort().Addr().Unmap()
	if addr.IsLoopback() {
		return addr, false
	}
	if addr.Is6() {
		p, _ := addr.Prefix(64) // fails for more than 128 bits only
		addr = p.Addr()
	}
	return addr, true
}

func (l *Limit) enter(who netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[who] >= l.max {
		return false
	}
	l.open[who]++
	return true
}

func (l *Limit) leave(who netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[who]--; l.open[who] == 0 {
		delete(l.open, who)
	}
}

// conn gives its place back when it is closed, once.
type conn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}
