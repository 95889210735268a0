package server

import (
	"github.com/platctl/platctl/internal/api/confirmation"
	"github.com/platctl/platctl/internal/api/mail"
)

// Mail is how people are written to.
type Mail struct {
	Sender          mail.Sender
	Site            string // how the site calls itself
	VerifyAddresses bool   // an account is made only when a code has confirmed its address
	Dotless         bool   // addresses like ana@localhost will do
}

// confirmations makes what mails codes.
func (s *Server) confirmations() (*confirmation.Service, error) {
	s.sent = mail.NewMeter(s.opts.Mail.Sender)
	return confirmation.New(confirmation.Options{
		DB: s.opts.Pool, Jobs: s.jobs, JobsDB: s.opts.JobsPool, Sender: s.sent, Site: s.opts.Mail.Site, Key: s.opts.IDKey,
		Log: s.log, Limited: s.sent.Limited,
	})
}
