package mail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/platctl/platctl/internal/api/mail/mailtest"
	"github.com/platctl/platctl/internal/base/fault"
)

const host = "mail.test"

// certificate makes one for host, and the pool that trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// remote returns a sender for whom the server is host, somewhere else.
func remote(t *testing.T, s *mailtest.Server, url string, roots *x509.CertPool) *SMTP {
	t.Helper()
	server, err := ParseServer(url)
	if err != nil {
		t.Fatal(err)
	}
	c := NewSMTP(server, from())
	c.tls.RootCAs = roots
	c.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Addr)
	}
	return c
}

// local returns a sender for a server on this machine.
func local(t *testing.T, s *mailtest.Server) *SMTP {
	t.Helper()
	server, err := ParseServer("smtp://" + s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return NewSMTP(server, from())
}

func hello() Message {
	return Message{Kind: "test", To: "ana@example.org", Subject: "Hello", Text: "Dear Ana,\n.\n..two dots\n"}
}

// The ways to a server: TLS from the first byte, STARTTLS, and none on this machine.
func TestSend(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	for name, c := range map[string]struct {
		opts mailtest.Options
		url  string
		want mailtest.Mail
	}{
		"STARTTLS":       {mailtest.Options{TLS: cert, User: "u", Password: "p@ss:w/rd"}, "smtp://u:p%40ss%3Aw%2Frd@mail.test:587", mailtest.Mail{TLS: true, User: "u"}},
		"implicit TLS":   {mailtest.Options{TLS: cert, Implicit: true, User: "u", Password: "p"}, "smtps://u:p@mail.test", mailtest.Mail{TLS: true, User: "u"}},
		"this machine":   {mailtest.Options{User: "u", Password: "p"}, "smtp://u:p@127.0.0.1:25", mailtest.Mail{User: "u"}},
		"nobody asks":    {mailtest.Options{}, "smtp://localhost:25", mailtest.Mail{}},
		"local with TLS": {mailtest.Options{TLS: cert}, "smtp://[::1]:25", mailtest.Mail{}}, // no name that a certificate could have
	} {
		s := mailtest.New(t, c.opts)
		id, err := remote(t, s, c.url, roots).Send(t.Context(), hello())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := <-s.Received
		h, text := read(t, []byte(got.Data))
		if got.TLS != c.want.TLS || got.User != c.want.User || got.From != "noreply@example.org" || got.To != "ana@example.org" ||
			h.Get("Message-ID") != id || strings.TrimRight(text, "\n") != strings.TrimRight(hello().Text, "\n") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// An address that is not ASCII goes to a server that takes it, and is rejected before another one is bothered.
func TestSendInternational(t *testing.T) {
	t.Parallel()
	m := hello()
	m.To = "régine@xn--bcher-kva.example"
	s := mailtest.New(t, mailtest.Options{UTF8: true})
	if _, err := local(t, s).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := <-s.Received; got.To != m.To {
		t.Errorf("arrived for %q", got.To)
	}
	s = mailtest.New(t, mailtest.Options{})
	if _, err := local(t, s).Send(t.Context(), m); !errors.Is(err, ErrRejected) {
		t.Errorf("a server without SMTPUTF8: %v", err)
	}
}

// A server elsewhere without encryption, or with a certificate nobody vouches for, gets neither password nor mail.
func TestNothingInTheClear(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	other, _ := certificate(t)
	for name, c := range map[string]struct {
		opts mailtest.Options
		url  string
		kind fault.Kind
	}{
		"no STARTTLS":                {mailtest.Options{User: "u", Password: "hunter2"}, "smtp://u:hunter2@mail.test", fault.Config},
		"STARTTLS refused":           {mailtest.Options{TLS: cert, User: "u", Password: "hunter2", Quirk: on("STARTTLS", "454 4.7.0 not now")}, "smtp://u:hunter2@mail.test", fault.Unavailable},
		"another's certificate":      {mailtest.Options{TLS: other, User: "u", Password: "hunter2"}, "smtp://u:hunter2@mail.test", fault.Unavailable},
		"certificate of another":     {mailtest.Options{TLS: cert, User: "u", Password: "hunter2"}, "smtp://u:hunter2@other.test", fault.Unavailable},
		"implicit, other's":          {mailtest.Options{TLS: other, Implicit: true}, "smtps://u:hunter2@mail.test", fault.Unavailable},
		"TLS expected, plain server": {mailtest.Options{}, "smtps://u:hunter2@mail.test", fault.Unavailable},
	} {
		s := mailtest.New(t, c.opts)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := remote(t, s, c.url, roots).Send(ctx, hello())
		cancel()
		if !errors.Is(err, c.kind) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
		for _, line := range s.Lines() {
			if verb, _, _ := strings.Cut(line, " "); slices.Contains([]string{"AUTH", "MAIL", "RCPT"}, verb) {
				t.Errorf("%s: the client said %q", name, verb)
			}
		}
	}
}

// on is the quirk of one command.
func on(verb, answer string) func(string) string {
	return func(line string) string {
		if line == verb || strings.HasPrefix(line, verb+" ") {
			return answer
		}
		return ""
	}
}

// What real servers answer, and what it means: try again, never again, or look at the configuration.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		quirk    func(string) string
		kind     fault.Kind
		sentinel error
	}{
		"greylisting":              {on("RCPT", "451 4.7.1 <ana@example.org>: Recipient address rejected: Greylisted"), fault.Unavailable, ErrDeferred},
		"mailbox full":             {on("RCPT", "452 4.2.2 mailbox full"), fault.Unavailable, ErrDeferred},
		"no such mailbox":          {on("RCPT", "550-5.1.1 The account ANA\r\n550 5.1.1 does not exist: ana@example.org"), fault.No, ErrRejected},
		"content rejected":         {on(".", "554 5.7.1 looks like spam"), fault.No, ErrRejected},
		"content later":            {on(".", "451 4.3.0 scanner busy"), fault.Unavailable, ErrDeferred},
		"closing":                  {on("RCPT", "421 4.3.2 shutting down"), fault.Unavailable, nil},
		"sender refused":           {on("MAIL", "553 5.7.1 not your address"), fault.Config, nil},
		"sender limited":           {on("MAIL", "450 4.7.1 slow down"), fault.Unavailable, nil},
		"no service":               {on("", "554 5.3.2 no SMTP service here"), fault.Unavailable, nil},
		"hangs up at once":         {on("", mailtest.HangUp), fault.Unavailable, nil},
		"hangs up at the hello":    {on("EHLO", mailtest.HangUp), fault.Unavailable, nil},
		"hangs up before the data": {on("DATA", mailtest.HangUp), fault.Unavailable, nil},
		"hangs up in the data":     {on("DATA-LINE", mailtest.HangUp), fault.Unavailable, nil},
		"hangs up after the data":  {on(".", mailtest.HangUp), fault.Unavailable, nil},
		"speaks nonsense":          {on("", "HTTP/1.1 400 Bad Request"), fault.Unavailable, nil},
		"fails at the goodbye":     {on("QUIT", "500 what"), "", nil}, // the message is theirs by then
	} {
		s := mailtest.New(t, mailtest.Options{Quirk: c.quirk})
		_, err := local(t, s).Send(t.Context(), hello())
		if c.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, c.kind) || errors.Is(err, ErrRejected) != (c.sentinel == ErrRejected) || errors.Is(err, ErrDeferred) != (c.sentinel == ErrDeferred) {
			t.Errorf("%s: %v", name, err)
		}
		if low := strings.ToLower(err.Error()); strings.Contains(low, "ana@") || strings.Contains(low, "account ana") {
			t.Errorf("%s names the recipient: %v", name, err)
		}
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	s := mailtest.New(t, mailtest.Options{TLS: cert, User: "u", Password: "right"})
	_, err := remote(t, s, "smtp://u:hunter2@mail.test", roots).Send(t.Context(), hello())
	if !errors.Is(err, fault.Config) || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// A server that says nothing holds a sender no longer than its context, at whatever point it falls silent.
func TestSilence(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t)
	for _, verb := range []string{"", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", ".", "QUIT"} {
		t.Run("silent at "+verb, func(t *testing.T) {
			t.Parallel()
			reached := make(chan struct{})
			var once sync.Once
			s := mailtest.New(t, mailtest.Options{TLS: cert, Quirk: func(line string) string {
				if got, _, _ := strings.Cut(line, " "); got != verb {
					return ""
				}
				once.Do(func() { close(reached) })
				return mailtest.Hang
			}})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-reached; cancel() }()
			_, err := remote(t, s, "smtp://mail.test", roots).Send(ctx, hello())
			if verb != "QUIT" && !errors.Is(err, context.Canceled) || verb == "QUIT" && err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	s := mailtest.New(t, mailtest.Options{Quirk: on("EHLO", mailtest.Hang)})
	if _, err := local(t, s).Send(ctx, hello()); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a deadline: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	server, err := ParseServer("smtp://u:hunter2@" + addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSMTP(server, from()).Send(t.Context(), hello()); !errors.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestParseServer(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Server{
		"smtp://mail.example.org":               {Host: "mail.example.org", Port: "587"},
		"smtps://u:p%20w@mail.example.org":      {Host: "mail.example.org", Port: "465", User: "u", Password: "p w", ImplicitTLS: true},
		"smtp://u%40example.org:p@[::1]:2525/":  {Host: "::1", Port: "2525", User: "u@example.org", Password: "p"},
		"smtp://apikey:SG.x-y_z@smtp.host:2525": {Host: "smtp.host", Port: "2525", User: "apikey", Password: "SG.x-y_z"},
	} {
		if got, err := ParseServer(in); err != nil || got != want {
			t.Errorf("%s = %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "mail.example.org:587", "http://mail.example.org", "smtp://", "smtp://u:hunter2@", "smtp://h:x", "smtp://u:hunt er2@h",
		"smtp://h/path", "smtp://h?tls=no", "smtp://u:hunter2@h#x"} {
		if got, err := ParseServer(in); !errors.Is(err, fault.Config) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q = %+v, %v", in, got, err)
		}
	}
}

// The counter tells what became of each attempt.
func TestMeter(t *testing.T) {
	t.Parallel()
	answers := []string{"", "451 4.7.1 later", "550 5.1.1 nobody", mailtest.HangUp, ""}
	s := mailtest.New(t, mailtest.Options{Quirk: func(line string) string {
		if !strings.HasPrefix(line, "RCPT") {
			return ""
		}
		a := answers[0]
		answers = answers[1:]
		return a
	}})
	m := NewMeter(local(t, s))
	for range 5 {
		_, _ = m.Send(t.Context(), hello())
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(m)
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "mail_sent_total" {
		t.Fatal(families, err)
	}
	got := map[string]float64{}
	for _, series := range families[0].Metric {
		got[series.Label[0].GetValue()+" "+series.Label[1].GetValue()] = series.Counter.GetValue()
	}
	want := map[string]float64{"test sent": 2, "test deferred": 1, "test rejected": 1, "test failed": 1}
	for k, v := range want {
		if got[k] != v || len(got) != len(want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// A server that is away is left alone after five failures; one that rejects and defers all day is not.
func TestGuard(t *testing.T) {
	t.Parallel()
	answer := ""
	s := mailtest.New(t, mailtest.Options{Quirk: func(line string) string {
		if strings.HasPrefix(line, "RCPT") {
			return answer
		}
		return ""
	}})
	g := Guard(local(t, s), slog.New(slog.DiscardHandler))
	for _, answer = range slices.Repeat([]string{"451 4.7.1 later", "550 5.1.1 nobody"}, 5) {
		if _, err := g.Send(t.Context(), hello()); err == nil {
			t.Error("sent")
		}
	}
	answer = ""
	if id, err := g.Send(t.Context(), hello()); err != nil || id == "" || g.Breaker.Check() != nil {
		t.Errorf("after ten messages that were not taken: %v, %v", err, g.Breaker.Check())
	}
	answer = mailtest.HangUp
	for range 5 {
		_, _ = g.Send(t.Context(), hello())
	}
	before := len(s.Lines())
	if _, err := g.Send(t.Context(), hello()); !errors.Is(err, fault.Unavailable) || fault.From(err).Code != "circuit_open" || len(s.Lines()) != before {
		t.Errorf("after five failures: %v, %d lines more", err, len(s.Lines())-before)
	}
}
