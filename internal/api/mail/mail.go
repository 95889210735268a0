// Package mail sends messages to people: over SMTP, or into a folder during development.
//
// Invariants: nobody can add a header, a recipient or an SMTP command by what they typed, because an address is one that
// ParseAddress lets through and everything else is encoded; a password leaves only over TLS or to this machine; no error and no
// log line names a recipient, because the errors of jobs are stored. A message that was sent may arrive twice: a server that
// falls silent after the last byte has perhaps taken it, and the sender has to try again.
package mail

import (
	"context"
	"errors"
)

// Message is one mail to one person.
type Message struct {
	Kind    string // what it is about, for metrics: one of a few words
	To      string // an address as ParseAddress returns it
	Subject string // one line
	Text    string // plain text
}

// Sender sends a message and returns the Message-ID under which mail servers log it. Its errors wrap ErrRejected where trying
// again is useless.
type Sender interface {
	Send(ctx context.Context, m Message) (id string, err error)
}

var (
	// ErrRejected means that the server will never take this message: no such mailbox, or not this content.
	ErrRejected = errors.New("rejected by the mail server")
	// ErrDeferred means that the server works and does not take this message now, as greylisting does.
	ErrDeferred = errors.New("deferred by the mail server")
)
