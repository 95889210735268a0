// Package mailtest is a mail server for tests, with the quirks of real ones. Only tests import it.
//
// Invariant: it takes only what RFC 5321 allows: a wrong order of commands or a bare line feed is answered with an error, so a
// client that passes here doesn't depend on this server's leniency.
package mailtest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Answers that are none: silence; the end of the connection; and, to ".", that end after the message was taken.
const (
	Hang          = "hang"
	HangUp        = "hang up"
	TakeAndHangUp = "take and hang up"
)

// Options is how a server behaves.
type Options struct {
	TLS            *tls.Config // offered by STARTTLS; nil: not at all
	Implicit       bool        // TLS from the first byte
	User, Password string      // asked for where set
	UTF8           bool        // takes addresses that are not ASCII
	// Quirk answers in place of the server: a reply such as "451 4.7.1 try later", Hang, HangUp or TakeAndHangUp. Empty leaves the answer to the
	// server. The line is what the client said; "" is the greeting, "DATA-LINE" each line of the message, "." its end.
	Quirk func(line string) string
}

// Mail is a message as it arrived.
type Mail struct {
	From, To, User string
	TLS            bool
	Data           string // with CRLF, dots unstuffed
}

// Server is a running mail server.
type Server struct {
	Addr     string
	Received chan Mail // 100 fit

	opts  Options
	mu    sync.Mutex
	lines []string
	ended chan struct{}
}

// New starts a server on a free port of this machine until the end of the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	return On(t, "127.0.0.1:0", o)
}

// On starts a server on an address.
func On(t testing.TB, addr string, o Options) *Server {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: l.Addr().String(), Received: make(chan Mail, 100), opts: o, ended: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		close(s.ended)
		_ = l.Close()
		wg.Wait()
	})
	return s
}

// Lines is every command that clients have sent, credentials included.
func (s *Server) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

// session is one connection.
type session struct {
	s             *Server
	conn          net.Conn
	r             *bufio.Reader
	mail          Mail
	hello, authed bool
}

var errOver = errors.New("the session is over")

func (s *Server) serve(conn net.Conn) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-s.ended:
		case <-stop:
		}
		_ = conn.Close()
	})
	defer wg.Wait()
	defer close(stop)
	c := &session{s: s, conn: conn}
	if s.opts.Implicit {
		c.conn, c.mail.TLS = tls.Server(conn, s.opts.TLS), true
	}
	c.r = bufio.NewReader(c.conn)
	if c.reply("", "220 mail.test ESMTP") != nil {
		return
	}
	for {
		line, err := c.line()
		if err != nil || c.command(line) != nil {
			return
		}
	}
}

// line reads one line, which ends with CR and LF.
func (c *session) line() (string, error) {
	text, err := c.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line, ok := strings.CutSuffix(text, "\r\n")
	if !ok || strings.ContainsRune(line, '\r') {
		_, _ = io.WriteString(c.conn, "500 5.5.2 bare CR or LF\r\n")
		return "", errOver
	}
	return line, nil
}

// reply answers, unless the quirk has another answer.
func (c *session) reply(to, usual string) error {
	answer := usual
	if q := c.s.opts.Quirk; q != nil {
		if a := q(to); a != "" {
			answer = a
		}
	}
	switch answer {
	case Hang:
		<-c.s.ended
		return errOver
	case HangUp:
		return errOver
	}
	if _, err := io.WriteString(c.conn, answer+"\r\n"); err != nil {
		return err
	}
	if answer != usual || answer[0] >= '4' {
		return errRefused
	}
	return nil
}

var errRefused = errors.New("the command was refused")

var (
	mailFrom = regexp.MustCompile(`^MAIL FROM:<([^<>]+)>( BODY=8BITMIME)?( SMTPUTF8)?$`)
	rcptTo   = regexp.MustCompile(`^RCPT TO:<([^<>]+)>$`)
)

// command does what a line asks for; its error ends the connection.
func (c *session) command(line string) error {
	c.s.mu.Lock()
	c.s.lines = append(c.s.lines, line)
	c.s.mu.Unlock()
	err := c.dispatch(line)
	if errors.Is(err, errRefused) {
		return nil
	}
	return err
}

func (c *session) dispatch(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch {
	case verb == "EHLO" && arg != "":
		c.hello = true
		return c.reply(line, c.features())
	case verb == "QUIT":
		_ = c.reply(line, "221 2.0.0 bye")
		return errOver
	case verb == "STARTTLS" && c.offersTLS():
		return c.startTLS(line)
	case verb == "AUTH" && c.hello && c.s.opts.User != "":
		return c.auth(line, arg)
	case !c.hello || c.s.opts.User != "" && !c.authed:
		return c.reply(line, "530 5.7.0 say hello, and who you are, first")
	}
	return c.transaction(line)
}

// transaction takes the commands of one message.
func (c *session) transaction(line string) error {
	switch {
	case mailFrom.MatchString(line):
		c.mail.From, c.mail.To = mailFrom.FindStringSubmatch(line)[1], ""
		return c.reply(line, "250 2.1.0 ok")
	case rcptTo.MatchString(line) && c.mail.From != "":
		return c.rcpt(line)
	case line == "DATA" && c.mail.To != "":
		return c.data(line)
	}
	return c.reply(line, "503 5.5.1 bad sequence of commands")
}

func (c *session) offersTLS() bool { return c.s.opts.TLS != nil && !c.mail.TLS }

func (c *session) features() string {
	out := []string{"250-mail.test", "250-8BITMIME"}
	if c.offersTLS() {
		out = append(out, "250-STARTTLS")
	}
	if c.s.opts.User != "" {
		out = append(out, "250-AUTH PLAIN")
	}
	if c.s.opts.UTF8 {
		out = append(out, "250-SMTPUTF8")
	}
	return strings.Join(append(out, "250 SIZE 1000000"), "\r\n")
}

func (c *session) startTLS(line string) error {
	if err := c.reply(line, "220 2.0.0 go ahead"); err != nil {
		return err
	}
	c.conn = tls.Server(c.conn, c.s.opts.TLS)
	c.r = bufio.NewReader(c.conn)
	c.mail.TLS, c.hello = true, false
	return nil
}

func (c *session) auth(line, arg string) error {
	token, _ := strings.CutPrefix(arg, "PLAIN ")
	plain, err := base64.StdEncoding.DecodeString(token)
	if err != nil || string(plain) != fmt.Sprintf("\x00%s\x00%s", c.s.opts.User, c.s.opts.Password) {
		return c.reply(line, "535 5.7.8 wrong user or password")
	}
	c.authed, c.mail.User = true, c.s.opts.User
	return c.reply(line, "235 2.7.0 welcome")
}

func (c *session) rcpt(line string) error {
	err := c.reply(line, "250 2.1.5 ok")
	if err == nil {
		c.mail.To = rcptTo.FindStringSubmatch(line)[1]
	}
	return err
}

func (c *session) data(line string) error {
	if err := c.reply(line, "354 go ahead"); err != nil {
		return err
	}
	var text strings.Builder
	for {
		l, err := c.line()
		if err != nil {
			return err
		}
		if l == "." {
			break
		}
		if q := c.s.opts.Quirk; q != nil && q("DATA-LINE") == HangUp {
			return errOver
		}
		text.WriteString(strings.TrimPrefix(l, ".") + "\r\n")
	}
	taken := c.mail
	taken.Data = text.String()
	c.mail.From, c.mail.To = "", ""
	if q := c.s.opts.Quirk; q != nil && q(".") == TakeAndHangUp {
		c.s.Received <- taken
		return errOver
	}
	if err := c.reply(".", "250 2.0.0 queued as 4F2A"); err != nil {
		return err
	}
	c.s.Received <- taken
	return nil
}
