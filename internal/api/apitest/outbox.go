package apitest

import (
	"context"
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

	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg"
)

// patience is how long a test waits for a mail.
const patience = time.Minute

// Mailing makes the server work jobs, so that mail leaves; with verify it confirms addresses before it makes accounts.
func Mailing(t testing.TB, verify bool) Option {
	return func(o *server.Options) {
		pool, err := pg.Open(t.Context(), o.Pool.Config().ConnString(), pg.Options{MaxConns: 5, StatementTimeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		o.JobsPool, o.Mail.VerifyAddresses = pool, verify
	}
}

// Letter is a mail as its reader sees it.
type Letter struct {
	To, Subject, Text string
}

var codeLine = regexp.MustCompile(`(?m)^    ([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})$`)

// Code returns the code in the letter, empty where it has none.
func (l Letter) Code() string {
	m := codeLine.FindStringSubmatch(l.Text)
	if m == nil {
		return ""
	}
	return m[1]
}

// Outbox is a mail.Sender that writes into a folder, which the test reads as a person would.
type Outbox struct {
	folder mail.Folder

	mu      sync.Mutex
	read    map[string]bool
	arrived chan struct{} // closed when the next message is there
}

// NewOutbox returns an empty one.
func NewOutbox(t testing.TB) *Outbox {
	return &Outbox{folder: mail.Folder{Dir: t.TempDir(), From: netmail.Address{Name: "Market", Address: "noreply@example.org"}},
		read: map[string]bool{}, arrived: make(chan struct{})}
}

// Send implements mail.Sender.
func (o *Outbox) Send(ctx context.Context, m mail.Message) (string, error) {
	id, err := o.folder.Send(ctx, m)
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.arrived)
	o.arrived = make(chan struct{})
	return id, err
}

// Next waits for the oldest letter to somebody that was not read yet, and reads it.
func (o *Outbox) Next(t testing.TB, to string) Letter {
	t.Helper()
	end := time.After(patience)
	for {
		o.mu.Lock()
		arrived := o.arrived
		o.mu.Unlock()
		if unread := o.Unread(t, to); len(unread) > 0 {
			return unread[0]
		}
		select {
		case <-arrived:
		case <-end:
			t.Fatalf("no mail to %s came", to)
		}
	}
}

// Unread returns the letters to somebody that Next would return, and marks the first as read.
func (o *Outbox) Unread(t testing.TB, to string) []Letter {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(o.folder.Dir, "*.eml")) // in the order of sending
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []Letter
	for _, f := range files {
		if o.read[f] {
			continue
		}
		if l := parse(t, f); l.To == to {
			o.read[f] = len(out) == 0
			out = append(out, l)
		}
	}
	return out
}

func parse(t testing.TB, path string) Letter {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := ReadLetter(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return l
}

// ReadLetter takes a message apart as a mail program does.
func ReadLetter(r io.Reader) (Letter, error) {
	msg, err := netmail.ReadMessage(r)
	if err != nil {
		return Letter{}, err
	}
	to, err := netmail.ParseAddress(msg.Header.Get("To"))
	if err != nil {
		return Letter{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		return Letter{}, err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	return Letter{To: to.Address, Subject: subject, Text: strings.ReplaceAll(string(text), "\r\n", "\n")}, err
}

// Quiet waits until no mail is on its way.
func (e *Env) Quiet(t testing.TB) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); ; {
		var waiting int
		err := e.Pool.QueryRow(t.Context(), `select count(*) from river_job
			where kind like 'confirmation\_%' and state not in ('completed', 'cancelled', 'discarded')`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%d mails are still on their way", waiting)
		}
	}
}

// PassTime makes every mail older, for the limits of addresses.
func (e *Env) PassTime(t testing.TB, d time.Duration) {
	t.Helper()
	_, err := e.Pool.Exec(t.Context(), "update confirmations set mailed_at = mailed_at - make_interval(secs => $1)", d.Seconds())
	if err != nil {
		t.Fatal(err)
	}
}
