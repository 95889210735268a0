package command

import (
	"path/filepath"
	"strings"

	"github.com/platctl/platctl/internal/api/mail"
)

// localSender is who writes into the outbox of a developer.
const localSender = "Market <noreply@localhost>"

// Mailer is what people are written to with.
type Mailer struct {
	Sender mail.Sender
	From   string // to be shown
	Via    string // HOST:PORT or the folder
	Folder bool
	Site   string // how the sender calls itself in texts
}

// Mailer answers how mail is sent, for serve and for tools: by the server of mail.smtp_url, else into a folder. It connects to
// nothing.
func (d *Deps) Mailer() (*Mailer, error) {
	s, err := d.Settings()
	if err != nil {
		return nil, err
	}
	url, err := s.MailServer()
	if err != nil {
		return nil, err
	}
	text := s.Config.Mail.From
	if text == "" {
		text = localSender
	}
	from, err := mail.ParseFrom(text)
	if err != nil {
		return nil, err
	}
	shown, site := strings.TrimSpace(from.Name+" <"+from.Address+">"), from.Name
	if _, domain, _ := strings.Cut(from.Address, "@"); site == "" {
		site = domain
	}
	if url == "" {
		dir := s.Config.Mail.Dir
		if dir == "" {
			dir = filepath.Join(s.Config.StateDir, "outbox")
		}
		return &Mailer{Sender: &mail.Folder{Dir: dir, From: from}, From: shown, Via: dir, Folder: true, Site: site}, nil
	}
	server, err := mail.ParseServer(url)
	if err != nil {
		return nil, err
	}
	return &Mailer{Sender: mail.NewSMTP(server, from), From: shown, Via: server.Addr(), Site: site}, nil
}
