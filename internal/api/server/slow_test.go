package server_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
)

// Who sends headers or a body drop by drop is cut off, and headers have a size: a connection that gets nowhere costs no memory for
// long, and its end is the server's doing.
func TestSlowAndOversizedRequests(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- env.Server.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for name, c := range map[string]struct{ sent, want string }{
		"half a header": {"GET /api/health HTTP/1.1\r\nHost: x\r\nX-", "HTTP/1.1 400 "},
		"half a body":   {"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", `"code":"unreadable_body"`},
		"a long header": {"GET /api/health HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 30<<10) + "\r\n\r\n", "HTTP/1.1 431 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, c.sent); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn) // until the server closes
			if err != nil || !strings.Contains(string(answer), c.want) {
				t.Errorf("%q, %v; want %s", answer, err, c.want)
			}
		})
	}
}
