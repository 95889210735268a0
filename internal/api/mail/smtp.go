package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// smtpTimeout bounds a whole delivery. Servers that check a sender answer after ten seconds and more.
const smtpTimeout = 45 * time.Second

// Server is where mail is handed over.
type Server struct {
	Host, Port     string
	User, Password string // empty: no authentication
	ImplicitTLS    bool   // from the first byte; else STARTTLS, which only a server on this machine may do without
}

// ParseServer reads smtp://[user:password@]host[:port] and smtps://…; the ports are 587 and 465 where none is given. Its
// errors don't repeat the text, which may hold a password.
func ParseServer(text string) (Server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" {
		return Server{}, fault.New(fault.Config, "the mail server can't be read").
			WithHint("it looks like smtp://user:password@mail.example.org:587, or smtps:// for TLS from the first byte")
	}
	s := Server{Host: u.Hostname(), Port: u.Port(), User: u.User.Username(), ImplicitTLS: u.Scheme == "smtps"}
	s.Password, _ = u.User.Password()
	if s.Port == "" {
		s.Port = map[bool]string{false: "587", true: "465"}[s.ImplicitTLS]
	}
	return s, nil
}

// Addr returns host:port.
func (s Server) Addr() string { return net.JoinHostPort(s.Host, s.Port) }

func (s Server) onThisMachine() bool {
	ip := net.ParseIP(s.Host)
	return s.Host == "localhost" || ip != nil && ip.IsLoopback()
}

// SMTP is a Sender that hands messages to a mail server, one connection a message.
type SMTP struct {
	server Server
	from   netmail.Address
	tls    *tls.Config
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

// NewSMTP returns a Sender for a server. The system's certificates decide whom it trusts.
func NewSMTP(s Server, from netmail.Address) *SMTP {
	return &SMTP{server: s, from: from, tls: &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}, dial: (&net.Dialer{}).DialContext}
}

// Send implements Sender. It returns when ctx ends.
func (s *SMTP) Send(ctx context.Context, m Message) (string, error) {
	id, raw, err := compose(s.from, m, time.Now())
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, smtpTimeout)
	defer cancel()
	at, err := s.deliver(limited, m.To, raw)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return "", ctx.Err()
	}
	return "", explain(at, m.To, err)
}

// stage is how far a delivery came.
type stage string

const (
	connecting     stage = "connecting"
	securing       stage = "securing the connection"
	authenticating stage = "authenticating"
	sender         stage = "naming the sender"
	recipient      stage = "naming the recipient"
	content        stage = "handing over the message"
)

func (s *SMTP) deliver(ctx context.Context, to string, raw []byte) (stage, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return connecting, err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // net/smtp knows no context
	c, err := smtp.NewClient(conn, s.server.Host)
	if err != nil {
		return connecting, err
	}
	if err := c.Hello(domainOf(s.from.Address)); err != nil {
		return connecting, err
	}
	if err := s.secure(c); err != nil {
		return securing, err
	}
	if s.server.User != "" { // PlainAuth refuses a connection that is neither encrypted nor local
		if err := c.Auth(smtp.PlainAuth("", s.server.User, s.server.Password, s.server.Host)); err != nil {
			return authenticating, err
		}
	}
	return s.transfer(c, to, raw)
}

func (s *SMTP) connect(ctx context.Context) (net.Conn, error) {
	conn, err := s.dial(ctx, "tcp", s.server.Addr())
	if err != nil || !s.server.ImplicitTLS {
		return conn, err
	}
	t := tls.Client(conn, s.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return t, nil
}

var errNoTLS = errors.New("the server offers no encryption")

func (s *SMTP) secure(c *smtp.Client) error {
	if s.server.ImplicitTLS || s.server.onThisMachine() {
		return nil
	}
	if ok, _ := c.Extension("STARTTLS"); !ok {
		return errNoTLS
	}
	return c.StartTLS(s.tls)
}

func (s *SMTP) transfer(c *smtp.Client, to string, raw []byte) (stage, error) {
	if utf8, _ := c.Extension("SMTPUTF8"); !utf8 && strings.ContainsFunc(to, func(r rune) bool { return r > 127 }) {
		return recipient, &textproto.Error{Code: 553, Msg: "the server takes ASCII addresses only"}
	}
	if err := c.Mail(s.from.Address); err != nil {
		return sender, err
	}
	if err := c.Rcpt(to); err != nil {
		return recipient, err
	}
	w, err := c.Data()
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		_, _ = c.Text.Cmd("QUIT") // the message is theirs: nothing to wait for
	}
	return content, err
}

// said is what went wrong in the server's words, and what that means.
type said struct {
	text  string
	means error // ErrRejected, ErrDeferred or nil
}

// Error implements error.
func (s *said) Error() string { return s.text }

// Unwrap makes errors.Is find the meaning.
func (s *said) Unwrap() error { return s.means }

// explain gives a failure its kind. What the server says about the recipient or the content is about this message; everything
// else is about the server or about our configuration, and the next message would fare the same.
func explain(at stage, to string, err error) error {
	text, code := err.Error(), 0
	var answer *textproto.Error
	if errors.As(err, &answer) {
		text, code = fmt.Sprintf("%d %s", answer.Code, answer.Msg), answer.Code
	}
	cause := &said{text: string(at) + ": " + conceal(text, to)}
	own := at == recipient || at == content
	switch {
	case own && code >= 500:
		cause.means = ErrRejected
		return fault.Wrap(cause, fault.No, "the mail server rejected the message").WithCode("mail_rejected")
	case own && code >= 400 && code != 421: // 421 closes the connection, whatever was asked
		cause.means = ErrDeferred
		return fault.Wrap(cause, fault.Unavailable, "the mail server takes the message later").WithCode("mail_deferred")
	case at == authenticating && code >= 500:
		return fault.Wrap(cause, fault.Config, "the mail server refuses the user or the password").WithHint("check mail.smtp_url")
	case at == sender && code >= 500:
		return fault.Wrap(cause, fault.Config, "the mail server refuses the sender").WithHint("check mail.from")
	case errors.Is(err, errNoTLS):
		return fault.Wrap(cause, fault.Config, "mail is not sent in the clear").
			WithHint("use smtps:// if the server has TLS from the first byte, or a mail server on this machine")
	}
	return fault.Wrap(cause, fault.Unavailable, "the mail server can't be reached or fails").WithCode("mail_unreachable").
		WithHint("check mail.smtp_url and whether the server answers")
}

// conceal makes a server's words fit to be stored: servers like to repeat whom the mail was for.
func conceal(text, to string) string {
	const longest = 300
	local, _, _ := strings.Cut(to, "@")
	whom := regexp.MustCompile(`(?i)` + regexp.QuoteMeta(to) + `|\b` + regexp.QuoteMeta(local) + `\b`)
	text = whom.ReplaceAllString(strings.ToValidUTF8(text, "?"), "<recipient>")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
