package connlimit

import (
	"errors"
	"net"
	"sync"
	"testing"
)

// pipes is a listener whose connections come from addresses that a test chooses.
type pipes struct {
	net.Listener
	mu    sync.Mutex
	queue []net.Conn
}

type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

var errEmpty = errors.New("nobody is waiting")

func (p *pipes) Accept() (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, errEmpty
	}
	c := p.queue[0]
	p.queue = p.queue[1:]
	return c, nil
}

func (p *pipes) dial(t *testing.T, addr string) (client net.Conn) {
	t.Helper()
	var a net.Addr = &net.UnixAddr{Name: addr, Net: "unix"}
	if addr != "socket" {
		a = &net.TCPAddr{IP: net.ParseIP(addr), Port: 4711}
	}
	client, server := net.Pipe()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, from{server, a})
	return client
}

func TestLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		addrs    []string
		accepted int
	}{
		{"one address", []string{"192.0.2.1", "192.0.2.1", "192.0.2.1"}, 2},
		{"two addresses", []string{"192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"}, 4},
		{"IPv4 in IPv6 is IPv4", []string{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"}, 2},
		{"one IPv6 network", []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"}, 2},
		{"two IPv6 networks", []string{"2001:db8::1", "2001:db8:0:1::1", "2001:db8::2"}, 3},
		{"loopback", []string{"127.0.0.1", "127.0.0.1", "::1", "::1", "127.0.0.1"}, 5},
		{"unix socket", []string{"socket", "socket", "socket"}, 3},
	} {
		p := &pipes{}
		limit := New(2)
		l := limit.Listen(p)
		for _, a := range c.addrs {
			p.dial(t, a)
		}
		n := 0
		for ; ; n++ {
			if _, err := l.Accept(); err != nil {
				break
			}
		}
		if n != c.accepted || int(limit.Refused()) != len(c.addrs)-c.accepted {
			t.Errorf("%s: %d accepted, %d refused; want %d", c.name, n, limit.Refused(), c.accepted)
		}
	}
}

// A refused connection is closed; a closed one gives its place back once, however often it is closed; nothing is kept of it.
func TestPlacesComeBack(t *testing.T) {
	t.Parallel()
	p := &pipes{}
	limit := New(1)
	l := limit.Listen(p)
	p.dial(t, "192.0.2.1")
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	refused := p.dial(t, "192.0.2.1")
	if _, err := l.Accept(); !errors.Is(err, errEmpty) {
		t.Fatal(err)
	}
	if _, err := refused.Read(make([]byte, 1)); err == nil {
		t.Error("the refused connection is open")
	}
	for range 2 {
		_ = first.Close()
	}
	if len(limit.open) != 0 {
		t.Errorf("%v is kept of a closed connection", limit.open)
	}
	p.dial(t, "192.0.2.1")
	if _, err := l.Accept(); err != nil {
		t.Errorf("the place did not come back: %v", err)
	}
}
