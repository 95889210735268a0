package mail

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

func from() netmail.Address { return netmail.Address{Name: "Märket", Address: "noreply@example.org"} }

// read takes a message apart as a mail program does.
func read(t *testing.T, raw []byte) (h netmail.Header, text string) {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	if err != nil {
		t.Fatal(err)
	}
	return msg.Header, strings.ReplaceAll(string(body), "\r\n", "\n")
}

// A message arrives as it was written, in lines that every server carries.
func TestCompose(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	for _, m := range []Message{
		{To: "ana@example.org", Subject: "Your code", Text: "Hello,\n\n    K3WM-9QXA\n.\n..dots\nFrom here = on\n"},
		{To: "régine@xn--bcher-kva.example", Subject: strings.Repeat("Wörter über Wörter ", 6) + "🍑", Text: strings.Repeat("lang und länger ", 400) + "\r\nEnde\n"},
		{To: "o'hara@example.org", Subject: "=?utf-8?q?not_decoded?=", Text: ""},
	} {
		id, raw, err := compose(from(), m, now)
		if err != nil {
			t.Fatal(err)
		}
		h, text := read(t, raw)
		to, err := h.AddressList("To")
		sender, err2 := h.AddressList("From")
		if err != nil || err2 != nil || to[0].Address != m.To || *sender[0] != from() {
			t.Errorf("from %v to %v, %v, %v", sender, to, err, err2)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		if err != nil || subject != m.Subject && !strings.HasPrefix(m.Subject, "=?") {
			t.Errorf("subject %q, %v; want %q", subject, err, m.Subject)
		}
		if date, err := h.Date(); err != nil || !date.Equal(now) {
			t.Errorf("date %v, %v", date, err)
		}
		if h.Get("Message-ID") != id || !regexp.MustCompile(`^<[0-9a-f]{32}@example\.org>$`).MatchString(id) {
			t.Errorf("Message-ID %q, returned %q", h.Get("Message-ID"), id)
		}
		if want := strings.ReplaceAll(m.Text, "\r\n", "\n"); text != want {
			t.Errorf("text %.100q, want %.100q", text, want)
		}
		if len(h) != 9 {
			t.Errorf("%d headers: %v", len(h), h)
		}
		for line := range strings.SplitSeq(string(raw), "\r\n") {
			if len(line) > 200 || strings.ContainsAny(line, "\r\n") {
				t.Errorf("line %.220q", line)
			}
		}
	}
}

// What was not parsed is not sent: no header and no second recipient gets in.
func TestInjection(t *testing.T) {
	t.Parallel()
	ok := Message{To: "ana@example.org", Subject: "Hello", Text: "x"}
	for name, change := range map[string]func(*Message){
		"recipient with a header":    func(m *Message) { m.To = "ana@example.org\r\nBcc: eve@example.org" },
		"two recipients":             func(m *Message) { m.To = "ana@example.org, eve@example.org" },
		"recipient with a parameter": func(m *Message) { m.To = `"ana> NOTIFY=NEVER"@example.org` },
		"recipient not normalised":   func(m *Message) { m.To = "ana@EXAMPLE.org" },
		"no recipient":               func(m *Message) { m.To = "" },
		"subject with a header":      func(m *Message) { m.Subject = "Hello\r\nBcc: eve@example.org" },
		"subject with a line feed":   func(m *Message) { m.Subject = "Hello\nWorld" },
		"no subject":                 func(m *Message) { m.Subject = "" },
		"endless subject":            func(m *Message) { m.Subject = strings.Repeat("x", 1000) },
	} {
		m := ok
		change(&m)
		if _, raw, err := compose(from(), m, time.Now()); !errors.Is(err, fault.Internal) || raw != nil {
			t.Errorf("%s: %v\n%s", name, err, raw)
		}
	}
}

// The folder holds whole messages in the order of sending, however many are sent at once.
func TestFolder(t *testing.T) {
	t.Parallel()
	f := &Folder{Dir: filepath.Join(t.TempDir(), "not", "yet", "there"), From: from()}
	for _, subject := range []string{"first", "second", "third"} {
		if _, err := f.Send(t.Context(), Message{To: "ana@example.org", Subject: subject, Text: "x\n"}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(f.Dir + "/*")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for i, want := range []string{"first", "second", "third"} {
		raw, err := os.ReadFile(files[i])
		if err != nil || !strings.HasSuffix(files[i], ".eml") {
			t.Fatal(files[i], err)
		}
		if h, _ := read(t, raw); h.Get("Subject") != want {
			t.Errorf("%s holds %q", files[i], h.Get("Subject"))
		}
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := f.Send(t.Context(), Message{To: "ana@example.org", Subject: "crowd", Text: strings.Repeat("line\n", 1000)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if files, err = filepath.Glob(f.Dir + "/*"); err != nil || len(files) != 23 {
		t.Errorf("%d files, %v", len(files), err)
	}
	st, err := os.Stat(files[0])
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("a mail holds a code, and its file is %v, %v", st.Mode(), err)
	}
}

// A folder that can't be written is an error, not a lost message.
func TestFolderInTheWay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := (&Folder{Dir: path, From: from()}).Send(t.Context(), Message{To: "ana@example.org", Subject: "x"})
	if e := fault.From(err); err == nil || e.Kind != fault.Config || !strings.Contains(e.Hint, "mail.dir") {
		t.Errorf("sent into a file: %v", err)
	}
}
