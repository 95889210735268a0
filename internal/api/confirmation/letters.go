package confirmation

import (
	"fmt"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/api/mail"
)

// letter is a mail in the making. Nothing in it was chosen by a stranger but a handle, which is letters, digits and
// underscores: a display name could carry an advertisement to people who never asked for it.
type letter struct {
	kind    string // as mail_sent_total has it
	to      string
	subject string
	lines   []string // paragraphs; {code}, {site} and {life} stand for what handles have no braces to imitate
	code    bool
}

const ignore = "If that was not you, you need not do anything."

func signupCode(to, handle string) letter {
	return letter{kind: "signup_code", to: to, subject: "Your code for {site}", code: true, lines: []string{
		"Somebody, probably you, wants to join {site} as @" + handle + " with this address. The code that confirms it:",
		"    {code}",
		"It is good for {life} and works once. Type it only where you chose the name @" + handle + " yourself.",
		ignore + " No account is made without the code.",
	}}
}

func signupTaken(to, owner string) letter {
	return letter{kind: "signup_taken", to: to, subject: "You already have an account at {site}", lines: []string{
		"Somebody, perhaps you, tried to join {site} with this address. It already belongs to your account @" + owner + ", so nothing was done.",
		"If it was you: log in as @" + owner + ", or ask for a new password if you have forgotten yours.",
		ignore + " Whoever tried was not told that you have an account.",
	}}
}

func emailCode(to, asker string) letter {
	return letter{kind: "email_code", to: to, subject: "Confirm your address for {site}", code: true, lines: []string{
		"Somebody, probably you, wants to use this address for the account @" + asker + " at {site}. The code that confirms it:",
		"    {code}",
		"It is good for {life} and works once.",
		ignore + " The address is not used without the code.",
	}}
}

func emailTaken(to, owner, asker string) letter {
	return letter{kind: "email_taken", to: to, subject: "Your address was wanted for another account at {site}", lines: []string{
		"Somebody, perhaps you, wants to use this address for the account @" + asker + " at {site}. It belongs to your account @" + owner + ", so nothing was done.",
		"If it was you: give @" + owner + " another address first.",
		ignore + " Whoever tried was not told that you have an account.",
	}}
}

func resetCode(to, owner string) letter {
	return letter{kind: "reset_code", to: to, subject: "A new password for {site}", code: true, lines: []string{
		"Somebody, probably you, wants a new password for your account @" + owner + " at {site}. The code that allows it:",
		"    {code}",
		"It is good for {life} and works once. Nobody who works for {site} will ask you for it.",
		ignore + " Your password stays as it is.",
	}}
}

func resetDone(to, owner string) letter {
	return letter{kind: "reset_done", to: to, subject: "Your password for {site} was changed", lines: []string{
		"The password of your account @" + owner + " at {site} was changed with a code from this mailbox. Every session has ended; log in with the new one.",
		"If that was not you, somebody else reads your mail: change the password of this mailbox, and then ask {site} for another one.",
	}}
}

func emailReplaced(to, owner string) letter {
	return letter{kind: "email_replaced", to: to, subject: "Your account at {site} has another address", lines: []string{
		"Your account @" + owner + " at {site} now has another e-mail address. It was changed by somebody who knows your password.",
		"If that was not you, write to whoever runs {site}: this address can no longer ask for a new password.",
	}}
}

// message fills in what was left open.
func (l letter) message(site, code string, life time.Duration) mail.Message {
	fill := strings.NewReplacer("{site}", site, "{code}", code, "{life}", inWords(life)).Replace
	var text strings.Builder
	for _, p := range append([]string{"Hello,"}, l.lines...) {
		text.WriteString(wrap(fill(p)) + "\n\n")
	}
	return mail.Message{Kind: l.kind, To: l.to, Subject: fill(l.subject), Text: strings.TrimRight(text.String(), "\n") + "\n"}
}

func inWords(d time.Duration) string {
	if d == time.Hour {
		return "an hour"
	}
	return fmt.Sprintf("%.0f hours", d.Hours())
}

// wrap breaks a paragraph into lines that every mail program shows as they are.
func wrap(p string) string {
	const width = 72
	if strings.HasPrefix(p, " ") {
		return p
	}
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(p) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
