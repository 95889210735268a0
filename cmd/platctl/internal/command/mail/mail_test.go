package mail

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/mail/mailtest"
	"github.com/platctl/platctl/internal/base/fault"
)

// What a server does decides the exit code, and the words of the server are told.
func TestWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	for name, c := range map[string]struct {
		addr string
		to   string
		say  string // to RCPT
		exit int
		want string
	}{
		"taken":       {want: "message to ana@example.org taken by 127.0.0.1:"},
		"nobody":      {say: "550 5.1.1 no such mailbox", exit: 3, want: "550 5.1.1 no such mailbox"},
		"greylisting": {say: "451 4.7.1 come back later", exit: 6, want: "451 4.7.1 come back later"},
		"unreachable": {addr: free.Addr().String(), exit: 6, want: "connection refused"},
		"no address":  {to: "ana at example.org", exit: 2, want: "it is written name@domain"},
	} {
		s := mailtest.New(t, mailtest.Options{Quirk: func(line string) string {
			if strings.HasPrefix(line, "RCPT") {
				return c.say
			}
			return ""
		}})
		if c.addr == "" {
			c.addr = s.Addr
		}
		if c.to == "" {
			c.to = "ana@example.org"
		}
		server, err := mail.ParseServer("smtp://" + c.addr)
		if err != nil {
			t.Fatal(err)
		}
		from, err := mail.ParseFrom("Market <noreply@example.org>")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = runTest(t.Context(), testOptions{Printer: &output.Printer{Out: &out}, To: c.to, Version: "1.2.3",
			Mailer: &command.Mailer{Sender: mail.NewSMTP(server, from), From: from.String(), Via: c.addr}})
		text := out.String()
		if err != nil {
			text += err.Error()
		}
		if exit := exitOf(err); exit != c.exit || !strings.Contains(text, c.want) {
			t.Errorf("%s: exit %d, %s", name, exit, text)
		}
		if c.exit == 0 {
			if got := <-s.Received; !strings.Contains(got.Data, "version 1.2.3") {
				t.Errorf("%s: %s", name, got.Data)
			}
		}
	}
}

func exitOf(err error) int {
	var e *fault.Error
	if !errors.As(err, &e) {
		return map[bool]int{true: 0, false: 1}[err == nil]
	}
	return fault.Lookup(e.Kind).Exit
}
