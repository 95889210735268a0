package mail

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/platctl/platctl/internal/base/fault"
)

const maxSubject = 150 // characters; twice that encoded still fits into a header line

// compose writes a message as RFC 5322 has it, and returns its id.
func compose(from netmail.Address, m Message, now time.Time) (id string, raw []byte, err error) {
	if err := check(m); err != nil {
		return "", nil, err
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand aborts the process instead
	id = "<" + hex.EncodeToString(random[:]) + "@" + domainOf(from.Address) + ">"
	var b bytes.Buffer
	to := netmail.Address{Address: m.To}
	for _, h := range [][2]string{
		{"Date", now.Format(time.RFC1123Z)},
		{"From", from.String()},
		{"To", to.String()},
		{"Message-ID", id},
		{"Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", m.Subject), "?= =?", "?=\r\n =?")},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834: answering machines keep quiet
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(m.Text)) // into memory
	_ = w.Close()
	return id, b.Bytes(), nil
}

// check refuses what could become a header or a command. It repeats what callers have done: here it can't be forgotten.
func check(m Message) error {
	to, err := ParseAddress(m.To, true)
	switch {
	case err != nil || to != m.To:
		return fault.New(fault.Internal, "a mail has a recipient that was not parsed")
	case m.Subject == "" || strings.ContainsFunc(m.Subject, unicode.IsControl) || len([]rune(m.Subject)) > maxSubject:
		return fault.New(fault.Internal, "the subject of a mail is empty, too long or more than one line")
	}
	return nil
}
